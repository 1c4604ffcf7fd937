"""The nightly forecast: what the stored schedule holds for the coming days against what can leave."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import text

from nolapse.domain.feasibility import Demand, Misfit
from nolapse.domain.senders import Capacity
from nolapse.planning.forecast import forecast
from tests.integration.conftest import NOW, Register

AT_NIGHT = NOW + timedelta(minutes=30)
CAPACITY = Capacity({"EMAIL": 1}, {"EMAIL": ["graph", "sendgrid"]}, per_tenant=100)


def windows(register: Register, *, primary_on: date, count: int) -> Demand:
    """So many licences of one New York clinic whose primary falls on a day; that window."""
    tenant = register.tenant(f"clinic-{primary_on}")
    register.execute(
        "INSERT INTO licenses (tenant_id, clinician_id, license_type, license_number, expires_on)"
        " SELECT :tenant, :person, 'RN', number, :expires_on FROM generate_series(1, :count) AS number",
        tenant=tenant,
        person=register.clinician(tenant),
        count=count,
        expires_on=primary_on + timedelta(days=90),
    )
    register.plan()
    ((opens, closes),) = register.rows(
        "SELECT DISTINCT scheduled_at, window_end FROM notification_schedule"
        " WHERE tenant_id = :tenant AND event = 'PRIMARY'",
        tenant=tenant,
    )
    return Demand(opens, closes, count)


def test_windows_that_will_not_fit_are_counted_and_named(register: Register) -> None:
    soon = windows(register, primary_on=date(2026, 10, 30), count=241)
    windows(register, primary_on=date(2026, 11, 1), count=240)
    later = windows(register, primary_on=date(2026, 11, 5), count=242)

    seen = forecast(register.database.engine, now=AT_NIGHT, capacity=CAPACITY)

    assert seen.misfits == [("EMAIL", Misfit(soon, 1)), ("EMAIL", Misfit(later, 2))]
    assert seen.counts == {
        "windows": 3,
        "messages": 723,
        "windows_that_will_not_fit": 1,
        "messages_that_will_be_late": 1,
        "windows_that_will_not_fit_14_days": 2,
    }


def test_a_day_is_seen_whole_a_week_ahead(register: Register) -> None:
    windows(register, primary_on=AT_NIGHT.date() + timedelta(days=7), count=241)

    def warned(now: datetime) -> int:
        return forecast(register.database.engine, now=now, capacity=CAPACITY).counts[
            "windows_that_will_not_fit"
        ]

    assert warned(AT_NIGHT) == 1
    assert warned(AT_NIGHT - timedelta(days=1)) == 0


def test_what_left_or_was_dropped_takes_no_room(register: Register) -> None:
    windows(register, primary_on=date(2026, 10, 30), count=241)
    register.execute(
        "UPDATE notification_schedule SET status = 'CANCELLED', reason = 'licence ended', send_by = NULL,"
        " next_attempt_at = NULL"
        " WHERE idempotency_key = (SELECT min(idempotency_key) FROM notification_schedule WHERE event = 'PRIMARY')"
    )

    assert forecast(register.database.engine, now=AT_NIGHT, capacity=CAPACITY).misfits == []


def test_late_ones_with_a_window_want_the_same_senders(register: Register) -> None:
    full = windows(register, primary_on=date(2026, 10, 30), count=240)
    windows(register, primary_on=date(2026, 10, 24), count=1)  # closed before: late

    def misfits() -> list[tuple[str, Misfit]]:
        return forecast(register.database.engine, now=AT_NIGHT, capacity=CAPACITY).misfits

    assert misfits() == []
    register.execute(
        "UPDATE notification_schedule SET next_attempt_at = :opens, send_by = :closes WHERE status = 'LATE_PENDING'",
        opens=full.opens,
        closes=full.closes,
    )
    assert misfits() == [("EMAIL", Misfit(Demand(full.opens, full.closes, 241), 1))]


def test_an_open_window_has_only_what_is_left_of_it(register: Register) -> None:
    demand = windows(register, primary_on=date(2026, 10, 30), count=100)
    now = datetime(2026, 10, 30, 15, tzinfo=UTC)

    seen = forecast(register.database.engine, now=now, capacity=CAPACITY)

    assert seen.misfits == [("EMAIL", Misfit(Demand(now, demand.closes, 100), 40))]


def test_a_tenant_is_judged_by_its_own_limit_and_senders_and_the_stack_by_what_those_let_through(
    register: Register,
) -> None:
    wide = Capacity({"EMAIL": 100}, {"EMAIL": ["graph"]}, per_tenant=2)
    limited = windows(register, primary_on=date(2026, 10, 30), count=300)
    sending = windows(register, primary_on=date(2026, 11, 2), count=700)
    plain = windows(register, primary_on=date(2026, 11, 1), count=481)
    roomy = windows(register, primary_on=date(2026, 11, 4), count=960)
    ids = dict(register.rows("SELECT slug, tenant_id FROM tenants"))
    of = {demand: ids[f"clinic-{demand.opens.date()}"] for demand in (limited, sending, plain, roomy)}
    with register.database.owner.begin() as connection:
        for demand, most in ((limited, 1), (sending, 50), (roomy, 4)):
            connection.execute(
                text("UPDATE tenants SET messages_per_minute = :most WHERE tenant_id = :tenant"),
                {"most": most, "tenant": of[demand]},
            )
    register.sender(of[sending], "desk@clinic.test", "graph", per_minute=2)

    seen = forecast(register.database.engine, now=AT_NIGHT, capacity=wide)

    assert seen.misfits == []
    late = {(of[limited], 60), (of[sending], 220), (of[plain], 1)}
    assert {(tenant, misfit.late) for tenant, _, misfit in seen.own_misfits} == late
    assert seen.counts["windows"] == 4
    assert seen.counts["messages"] == 300 + 700 + 481 + 960
    assert seen.counts["messages_that_will_be_late"] == 60 + 220 + 1

    narrow = forecast(register.database.engine, now=AT_NIGHT, capacity=replace(wide, channels={"EMAIL": 3}))
    assert narrow.misfits == [("EMAIL", Misfit(roomy, 240))]
    assert narrow.own_misfits == seen.own_misfits


def test_an_empty_schedule_forecasts_nothing(register: Register) -> None:
    seen = forecast(register.database.engine, now=AT_NIGHT, capacity=CAPACITY)
    assert set(seen.counts.values()) == {0}
