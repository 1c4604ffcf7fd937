"""Doses: planned as their twin says, told in their own windows or their caregiver is, never doubled by an edit."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from nolapse.domain.doses import Course, Lateness, Regimen, doses
from nolapse.domain.recurrence import Recurrence
from nolapse.oversight.watchdog import watch
from nolapse.planning.doses import DOSE_HORIZON
from nolapse.planning.findings import Kind
from nolapse.planning.medications import NoSuchMedication, Prescription, UnusableRegimen, change, stop
from nolapse.planning.plan import PlanReport, bounds
from nolapse.planning.reconcile import reconcile
from nolapse.planning.simulate import simulate
from nolapse.storage.dates import load_dates
from nolapse.storage.policies import load_policies
from nolapse.storage.statements import statement
from tests.conftest import Database
from tests.integration.conftest import DAILY, Register

STARTS = "DTSTART;TZID=America/New_York:"
# Past midnight in New York.
NOW = datetime(2026, 10, 26, 5, tzinfo=UTC)
HORIZON = {"horizon_months": 13, "lookback_days": 14}


def limits(now: datetime = NOW) -> Any:
    return bounds(now, **HORIZON)


def edit(register: Register, medication: UUID, prescription: Prescription, now: datetime) -> PlanReport:
    with register.database.engine.begin() as connection:
        return change(connection, medication, prescription, limits(now))


def at(hour: int, minute: int = 0, day: int = 26) -> datetime:
    """Of New York in October 2026."""
    return datetime(2026, 10, day, 4, minute, tzinfo=UTC) + timedelta(hours=hour)


def rows(register: Register, event: str = "DOSE") -> list[tuple[Any, ...]]:
    return register.rows(
        "SELECT scheduled_at, window_end, status, reason FROM notification_schedule WHERE event = :event"
        " ORDER BY scheduled_at",
        event=event,
    )


@pytest.fixture
def patient(register: Register) -> UUID:
    return register.clinician(register.tenant(), "pat")


class TestPlanned:
    def test_every_dose_of_the_coming_fortnight_in_its_own_window(
        self, register: Register, patient: UUID
    ) -> None:
        register.prescribe(patient, DAILY, NOW)

        planned = rows(register)
        assert len(planned) == 2 * DOSE_HORIZON.days
        # Half-way to the next dose is further than the two safe hours.
        assert planned[0] == (at(8), at(10), "PENDING", None)
        assert planned[1] == (at(20), at(22), "PENDING", None)

    @pytest.mark.parametrize(
        ("lateness", "closes"), [("SEND", at(12)), ("SHORTEN", at(9, 30)), ("SUPPRESS", at(8, 20))]
    )
    def test_how_long_somebody_may_be_told(
        self, register: Register, patient: UUID, lateness: str, closes: datetime
    ) -> None:
        every_three_hours = Recurrence.read(f"{STARTS}20261001T080000\nRRULE:FREQ=DAILY;BYHOUR=8,11,14")
        register.prescribe(
            patient,
            Prescription(
                "drops", every_three_hours, lateness=Lateness(lateness), on_time=timedelta(minutes=20),
                safe=timedelta(hours=4),
            ),
            NOW,
        )  # fmt: skip
        assert rows(register)[0][:2] == (at(8), closes)

    def test_a_caregiver_is_planned_for_after_each(self, register: Register, patient: UUID) -> None:
        tenant = register.rows("SELECT tenant_id FROM tenants")[0][0]
        carer = register.clinician(tenant, "carer")
        register.prescribe(patient, Prescription("drops", DAILY.recurrence, caregiver_id=carer), NOW)
        assert rows(register, "MISSED_DOSE")[0] == (at(10), at(22), "PENDING", None)

    def test_what_was_due_before_is_nobody_s(self, register: Register, patient: UUID) -> None:
        register.prescribe(patient, DAILY, at(8, 1))
        assert rows(register)[0][0] == at(20)

    def test_doses_that_come_too_close_are_refused(self) -> None:
        close = Recurrence.read(f"{STARTS}20261001T080000\nRRULE:FREQ=DAILY;BYHOUR=8;BYMINUTE=0,30")
        with pytest.raises(UnusableRegimen, match="recurrence: doses come 0:30:00 apart"):
            Prescription("drops", close)
        with pytest.raises(UnusableRegimen, match="on_time: is longer than the safe interval"):
            Prescription("drops", DAILY.recurrence, on_time=timedelta(hours=3))


class TestChanged:
    def test_what_was_told_stays_and_what_waits_moves(self, register: Register, patient: UUID) -> None:
        medication = register.prescribe(patient, DAILY, NOW)
        told(register, at(8))
        noon = Prescription("drops", Recurrence.read(f"{STARTS}20261001T120000\nRRULE:FREQ=DAILY"))

        report = edit(register, medication, noon, at(8, 30))

        states = Counter(
            (scheduled.astimezone(UTC).hour, status) for scheduled, _, status, _ in rows(register)
        )
        # From November on New York is five hours behind: noon is 17:00.
        assert states[12, "SENT"] == 1
        assert states[16, "PENDING"] + states[17, "PENDING"] == DOSE_HORIZON.days
        assert report.changed("cancelled") == 2 * DOSE_HORIZON.days - 1
        assert {reason for *_, status, reason in rows(register) if status == "CANCELLED"} == {"window moved"}

    def test_a_dose_so_soon_after_another_is_not_told(self, register: Register, patient: UUID) -> None:
        """An edit puts the next dose forty minutes after one that was told: the two are never taken both."""
        medication = register.prescribe(patient, DAILY, NOW)
        told(register, at(8))
        soon = Prescription("drops", Recurrence.read(f"{STARTS}20261001T084000\nRRULE:FREQ=DAILY"))
        edit(register, medication, soon, at(8, 10))

        needless(register, at(8, 41))

        assert [row[2:] for row in rows(register) if row[0] == at(8, 40)] == [
            ("SUPPRESSED", "too soon after the dose before")
        ]
        needless(register, at(8, 41, day=27))
        assert [row[2] for row in rows(register) if row[0] == at(8, 40, day=27)] == ["PENDING"]

    def test_another_label_cuts_nothing(self, register: Register, patient: UUID) -> None:
        medication = register.prescribe(patient, DAILY, NOW)
        relabelled = Prescription("the blue ones", DAILY.recurrence)
        report = edit(register, medication, relabelled, at(8, 10))
        assert (report.changed("cancelled"), rows(register)[0]) == (0, (at(8), at(10), "PENDING", None))

    def test_stopped_and_taken_up_again(self, register: Register, patient: UUID) -> None:
        medication = register.prescribe(patient, DAILY, NOW)
        with register.database.engine.begin() as connection:
            stop(connection, medication, limits(at(9)))
        assert {row[2:] for row in rows(register)} == {("CANCELLED", "medication stopped")}

        edit(register, medication, DAILY, at(9, 30))
        assert [row[2] for row in rows(register)[:2]] == ["CANCELLED", "PENDING"]

    def test_one_that_is_not_there(self, register: Register, patient: UUID) -> None:
        with pytest.raises(NoSuchMedication):
            edit(register, patient, DAILY, NOW)

    def test_whoever_left_is_told_nothing(self, register: Register, patient: UUID) -> None:
        register.prescribe(patient, DAILY, NOW)
        register.execute("UPDATE clinicians SET status = 'DECEASED'")
        register.plan(clinician_ids=[patient])
        assert {row[2:] for row in rows(register)} == {("CANCELLED", "person left")}


class TestMissed:
    def test_it_is_dropped_when_its_window_closed_and_never_late(
        self, register: Register, patient: UUID
    ) -> None:
        register.prescribe(patient, DAILY, NOW)
        register.execute(str(statement("mark_late")), now=at(10), late_since=at(10) - timedelta(days=14))
        assert rows(register)[0][2:] == ("SUPPRESSED", "its window closed unsent")
        assert register.plan(at(11)).counts == {}

    def test_the_caregiver_is_told_unless_the_dose_was(self, register: Register, patient: UUID) -> None:
        tenant = register.rows("SELECT tenant_id FROM tenants")[0][0]
        carer = register.clinician(tenant, "carer")
        register.prescribe(patient, Prescription("drops", DAILY.recurrence, caregiver_id=carer), NOW)
        told(register, at(8))  # the morning's; the evening's is missed

        needless(register, at(22, 1))

        assert [row[2:] for row in rows(register, "MISSED_DOSE")[:2]] == [
            ("SUPPRESSED", "told in time"), ("PENDING", None),
        ]  # fmt: skip


class TestReconciled:
    def night(self, register: Register, now: datetime) -> dict[str, int | str]:
        report = reconcile(register.database.engine, now=now, **HORIZON)
        register.execute(
            "INSERT INTO scheduler_heartbeat (function, started_at, finished_at, counts) VALUES ('reconcile', :now,"
            " :now, jsonb_build_object('horizon', CAST(:horizon AS text), 'audit_end', CAST(:audit_end AS text)))",
            now=now, horizon=report.horizon.isoformat(), audit_end=report.audit_end,
        )  # fmt: skip
        return report.counts

    def test_a_day_more_every_night_and_no_drift(self, register: Register, patient: UUID) -> None:
        register.prescribe(patient, DAILY, NOW)
        self.night(register, NOW + timedelta(hours=1))
        counts = self.night(register, NOW + timedelta(days=1))
        assert (counts["drift"], counts.get("wrong_doses")) == (0, None)
        # What closed on the first day is catch-up's business: it is still there.
        assert len(rows(register)) == 2 * (DOSE_HORIZON.days + 1)

    @pytest.mark.parametrize(
        "damage",
        [
            "DELETE FROM doses WHERE due_at = (SELECT max(due_at) FROM doses)",
            "UPDATE doses SET closes_at = closes_at + interval '1 hour' WHERE due_on = '2026-10-30'",
            """INSERT INTO doses
               SELECT medication_id, tenant_id, 'never', due_on, due_at + interval '1 hour', closes_at
               FROM doses WHERE due_on = '2026-10-30' LIMIT 1""",
        ],
    )
    def test_stored_doses_that_are_wrong_are_expanded_anew(
        self, register: Register, patient: UUID, damage: str
    ) -> None:
        medication = register.prescribe(patient, DAILY, NOW)
        self.night(register, NOW + timedelta(hours=1))
        before = rows(register)
        register.execute(damage)

        report = reconcile(register.database.engine, now=NOW + timedelta(hours=2), **HORIZON)

        found = {finding.kind: finding for finding in report.findings}
        assert found[Kind.WRONG_DOSES].subjects == (f"medication:{medication}",)
        assert report.drift > 0
        waiting = [row for row in rows(register) if row[2] == "PENDING"]
        assert waiting[: len(before)] == before

    def test_the_watchdog_knows_them_too(self, register: Register, patient: UUID) -> None:
        register.prescribe(patient, DAILY, NOW)
        healthy = watch(register.database.engine, now=at(7, 50), everybody=True)
        assert (healthy.expected, healthy.counts["alarms"]) == (2, 0)
        register.execute("DELETE FROM notification_schedule WHERE scheduled_at = :at", at=at(8))
        assert watch(register.database.engine, now=at(7, 50), everybody=True).counts["missing_rows"] == 1
        unsent = watch(register.database.engine, now=at(21), everybody=True)
        assert unsent.counts["closing_unsent"] == 1


RULES = st.sampled_from(
    [
        "FREQ=DAILY;BYHOUR=2,8,20;BYMINUTE=30", "FREQ=DAILY;INTERVAL=3;BYHOUR=2", "FREQ=HOURLY;INTERVAL=6",
        "FREQ=WEEKLY;BYDAY=SU,MO;BYHOUR=1,2,3", "FREQ=DAILY;COUNT=9;BYHOUR=2", "FREQ=MONTHLY;BYMONTHDAY=-1;BYHOUR=2",
    ]
)  # fmt: skip
ZONES = st.sampled_from(["America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kolkata"])


@st.composite
def prescriptions(draw: st.DrawFn) -> Prescription:
    rule, zone = draw(RULES), draw(ZONES)
    start = draw(st.datetimes(datetime(2026, 1, 1), datetime(2026, 11, 1)))  # noqa: DTZ001
    hour = int(rule.partition("BYHOUR=")[2].partition(",")[0].partition(";")[0] or start.hour)
    day = start.replace(hour=hour, minute=30 if "BYMINUTE" in rule else 0, second=0, microsecond=0)
    if "WEEKLY" in rule:
        day += timedelta(days=(6 - day.weekday()) % 7)
    if "MONTHLY" in rule:
        day = (day.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
    on_time = draw(st.integers(5, 60))
    return Prescription(
        "drops",
        Recurrence(day, zone, rule),
        lateness=draw(st.sampled_from(list(Lateness))),
        on_time=timedelta(minutes=on_time),
        safe=timedelta(minutes=draw(st.integers(on_time, 1440))),
        least_gap=timedelta(minutes=5),
    )


@given(
    made=st.lists(prescriptions(), min_size=5, max_size=15),
    now=st.datetimes(datetime(2026, 10, 20), datetime(2027, 4, 1), timezones=st.just(UTC)),  # noqa: DTZ001
)
@settings(
    max_examples=25, suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)  # fmt: skip
def test_the_planner_and_its_twin_agree_on_every_dose(
    database: Database, made: list[Prescription], now: datetime
) -> None:
    register = Register(database)
    register.execute("DELETE FROM notification_schedule")
    register.execute("DELETE FROM doses")
    register.execute("DELETE FROM medications")
    (number_of_tenants,) = register.rows("SELECT count(*) FROM tenants")[0]
    tenant = register.tenant(f"clinic-{number_of_tenants}")
    carer = register.clinician(tenant, "carer", timezone="Asia/Tokyo")
    for number, prescription in enumerate(made):
        with_carer = Prescription(
            prescription.label, prescription.recurrence, carer if number % 2 else None, prescription.lateness,
            prescription.on_time, prescription.safe, prescription.least_gap,
        )  # fmt: skip
        register.prescribe(register.clinician(tenant, f"p{number}"), with_carer, now=now)

    until = now + DOSE_HORIZON
    with database.engine.connect() as connection:
        policies = load_policies(connection)
        twin = sorted(
            (each.idempotency_key, each.window.start, each.window.end, each.event, each.occurrence)
            for dated in load_dates(connection)
            if isinstance(dated.subject, Course)
            for each in dated.calls_for(
                policies.for_(dated.tenant_id, dated.kind),
                since=now - timedelta(days=14),
                until=until + DOSE_HORIZON,
            )
            # What is missed is told after a dose of the horizon, also where that is beyond it.
            if due_before(dated.subject.regimen, each.occurrence, until)
        )
        stored = [
            tuple(row)
            for row in connection.execute(
                text(
                    "SELECT idempotency_key, scheduled_at, window_end, event, occurrence FROM notification_schedule"
                    " ORDER BY idempotency_key"
                )
            )
        ]
    assert stored == twin


def due_before(regimen: Regimen, occurrence: str, until: datetime) -> bool:
    return any(
        dose.occurrence == occurrence for dose in doses(regimen, since=regimen.effective_from, until=until)
    )


def told(register: Register, due_at: datetime) -> None:
    for status in ("QUEUED", "SENDING", "SENT"):
        register.execute(
            "UPDATE notification_schedule SET status = :status, claimed_at = :at, updated_at = :at"
            " WHERE event = 'DOSE' AND scheduled_at = :at",
            status=status,
            at=due_at,
        )


def needless(register: Register, now: datetime) -> None:
    register.execute(str(statement("suppress_needless")), now=now)


def test_a_simulation_counts_them_beyond_what_is_stored(register: Register, patient: UUID) -> None:
    tenant = register.rows("SELECT tenant_id FROM tenants")[0][0]
    carer = register.clinician(tenant, "carer")
    register.prescribe(patient, Prescription("drops", DAILY.recurrence, caregiver_id=carer), NOW)

    outlook = simulate(
        register.database.engine, since=NOW, until=NOW + timedelta(days=100), capacity={"EMAIL": 10}
    )["EMAIL"]

    assert outlook.messages == 2 * 100
    assert {demand.closes - demand.opens for demand in outlook.demands} == {timedelta(hours=2)}
