"""What got stuck or came too late, set right: each step's effect, and when late messages may leave."""

import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text

from local.doubles import faults
from nolapse.delivery import catch_up as catch_up_module
from nolapse.domain.routing import MOST_PROBES
from nolapse.runtime.bootstrap import runtime
from tests.integration.delivery.conftest import CLOSES, EXPIRES, OPENS, Delivery

NEW_YORK = ZoneInfo("America/New_York")
DAY = timedelta(days=1)


def windows(delivery: Delivery) -> list[tuple[Any, ...]]:
    """Late windows, as (opens, closes), of the rows that have one."""
    return delivery.register.rows(
        "SELECT next_attempt_at, send_by FROM notification_schedule"
        " WHERE status = 'LATE_PENDING' AND send_by < 'infinity' ORDER BY next_attempt_at"
    )


def local(*when: int) -> datetime:
    return datetime(*when, tzinfo=NEW_YORK).astimezone(UTC)  # type: ignore[misc,arg-type]


class TestStale:
    def test_what_a_dispatcher_has_in_hand_is_left_to_it(self, delivery: Delivery) -> None:
        """Nor is it waited for: with the audit chain's lock, that would be a deadlock."""
        delivery.due(2)
        delivery.scan(OPENS)
        with delivery.running.engine.begin() as dispatcher:
            dispatcher.execute(
                text("SELECT FROM notification_schedule WHERE status = 'QUEUED' LIMIT 1 FOR NO KEY UPDATE")
            )
            assert delivery.catch_up(OPENS + timedelta(hours=1))["returned"] == 1


class TestLeases:
    def test_one_that_ran_out_means_unknown_and_never_retry(self, delivery: Delivery) -> None:
        delivery.due()
        leave_in_sending(delivery)

        assert delivery.catch_up(OPENS + timedelta(seconds=119))["leases_expired"] == 0
        assert delivery.catch_up(OPENS + timedelta(seconds=120))["leases_expired"] == 1

        assert delivery.statuses() == {"UNKNOWN": 1}
        assert delivery.attempts() == [(1, "UNKNOWN", "lease expired")]

    def test_an_hourly_run_settles_it_at_once(self, delivery: Delivery) -> None:
        delivery.due()
        leave_in_sending(delivery)

        counts = delivery.catch_up(OPENS + timedelta(hours=1))

        assert (counts["leases_expired"], counts["probed_not_found"]) == (1, 1)
        assert delivery.statuses() == {"PENDING": 1}


def leave_in_sending(delivery: Delivery) -> None:
    """As a dispatcher that died before it asked the provider leaves it."""
    delivery.register.execute(
        "UPDATE notification_schedule SET status = 'QUEUED', claimed_at = :now WHERE event = 'SECONDARY'",
        now=OPENS,
    )
    delivery.register.execute(
        "UPDATE notification_schedule SET status = 'SENDING', attempt_count = 1 WHERE event = 'SECONDARY'"
    )
    delivery.register.execute(
        """INSERT INTO notification_outbox (idempotency_key, tenant_id, attempt_number, scheduled_at, started_at,
             lease_until, channel, provider, recipient, template)
           SELECT idempotency_key, tenant_id, 1, scheduled_at, :now, CAST(:now AS timestamptz) + interval '120 seconds',
             'EMAIL', 'sendgrid', 'ada@clinic.test', template
           FROM notification_schedule WHERE event = 'SECONDARY'""",
        now=OPENS,
    )


def make_unknown(delivery: Delivery, people: int) -> None:
    """Everybody's answer is lost, although a circuit would soon spare the rest that."""
    delivery.due(people)
    delivery.faults.inject(*[faults.answer(500)] * people)
    for minute in range(people):
        delivery.send(OPENS + timedelta(minutes=minute))
        delivery.register.execute(
            "UPDATE provider_circuit SET state = 'CLOSED', failures = 0, retry_at = NULL"
        )
        if delivery.statuses() == {"UNKNOWN": people}:
            return
    raise AssertionError(delivery.statuses())


def run_out_of_patience(now: datetime) -> Counter[str]:
    """Each provider is asked about as many messages as at once, and no more."""
    made = runtime()
    return catch_up_module.catch_up(
        made.engine, made.outlets, made.late_policy, patience=timedelta(), now=now
    )


class TestUnknown:
    @pytest.mark.parametrize("probes", [0, MOST_PROBES - 1])
    def test_a_provider_that_is_slow_does_not_hold_up_the_rest(self, delivery: Delivery, probes: int) -> None:
        """Also where nothing waits for an answer any more, since a human decides: what is held is asked about too."""
        people = 3 * catch_up_module.PROBES_AT_ONCE
        make_unknown(delivery, people)
        delivery.register.execute("UPDATE notification_outbox SET probes = :probes", probes=probes)
        for hours in (1, 2):
            delivery.faults.inject(*[faults.answer(503)] * people)
            assert run_out_of_patience(OPENS + timedelta(hours=hours))["probed_unknown"] == (
                catch_up_module.PROBES_AT_ONCE
            )

    def test_one_that_can_t_tell_does_not_keep_others_from_being_asked(self, delivery: Delivery) -> None:
        make_unknown(delivery, catch_up_module.PROBES_AT_ONCE + 1)
        delivery.register.execute(
            "UPDATE notification_outbox SET provider = 'forgotten' WHERE idempotency_key <> ("
            "SELECT max(idempotency_key) FROM notification_outbox)"
        )
        counts = run_out_of_patience(OPENS + timedelta(hours=1))

        assert counts["probed_unknown"] == catch_up_module.PROBES_AT_ONCE
        assert counts["probed_not_found"] == 1

    def test_with_patience_everybody_is_asked(self, delivery: Delivery) -> None:
        people = 3 * catch_up_module.PROBES_AT_ONCE
        make_unknown(delivery, people)

        assert delivery.catch_up(OPENS + timedelta(hours=1))["probed_not_found"] == people

    def test_those_that_could_not_be_settled_do_not_keep_others_waiting(self, delivery: Delivery) -> None:
        people = 2 * catch_up_module.PROBES_AT_ONCE
        make_unknown(delivery, people)
        delivery.faults.inject(*[faults.answer(503)] * catch_up_module.PROBES_AT_ONCE)
        run_out_of_patience(OPENS + timedelta(minutes=60))
        first = {key for (key,) in unsettled(delivery, OPENS + timedelta(minutes=60))}

        delivery.faults.inject(
            *[faults.answer(200, body={"messages": []})] * catch_up_module.PROBES_AT_ONCE,
            *[faults.answer(503)] * catch_up_module.PROBES_AT_ONCE,
        )
        delivery.catch_up(OPENS + timedelta(minutes=90))

        # The second round began with those that the first never asked about.
        assert {key for (key,) in unsettled(delivery, OPENS + timedelta(minutes=90))} == first


def unsettled(delivery: Delivery, asked_at: datetime) -> list[tuple[Any, ...]]:
    return delivery.register.rows(
        "SELECT idempotency_key FROM notification_outbox WHERE outcome = 'UNKNOWN' AND finished_at = :at",
        at=asked_at,
    )


class TestLate:
    def test_it_says_so_and_leaves_outside_quiet_hours(self, delivery: Delivery) -> None:
        delivery.due()
        counts = delivery.catch_up(CLOSES + timedelta(hours=9))  # 21:00 in New York

        assert (counts["late"], counts["late_windows"]) == (1, 1)
        opens, closes = local(2026, 10, 27, 8), local(2026, 10, 27, 20)
        assert windows(delivery) == [(opens, closes)]
        delivery.send(opens - timedelta(seconds=1))
        assert delivery.mail == []
        delivery.send(opens)
        (email,) = delivery.mail
        assert "re-confirming" in email.text

    def test_by_day_it_leaves_at_once(self, delivery: Delivery) -> None:
        delivery.due()

        delivery.catch_up(CLOSES)

        assert windows(delivery) == [(CLOSES, local(2026, 10, 26, 20))]

    def test_of_one_tenant_no_more_than_its_share_goes_in_an_hour(self, delivery: Delivery) -> None:
        delivery.due(5, "large")
        delivery.due(1, "small")
        policy = replace(runtime().late_policy, per_tenant=2)

        first, second = (
            catch_up_module.catch_up(
                delivery.running.engine, {}, policy, patience=timedelta(), now=CLOSES + timedelta(hours=hour)
            )
            for hour in (0, 1)
        )

        assert (first["late"], first["late_windows"], second["late_windows"]) == (6, 3, 2)

    def test_one_that_is_missed_again_gets_a_new_window(self, delivery: Delivery) -> None:
        delivery.due()
        delivery.catch_up(CLOSES)

        counts = delivery.catch_up(local(2026, 10, 26, 20))

        assert (counts["late"], counts["late_windows"]) == (1, 1)
        assert windows(delivery) == [(local(2026, 10, 27, 8), local(2026, 10, 27, 20))]

    def test_one_that_was_queued_too_late_comes_back(self, delivery: Delivery) -> None:
        delivery.due()
        delivery.catch_up(CLOSES)
        delivery.scan(local(2026, 10, 26, 19, 59))
        delivery.clock.move_to(local(2026, 10, 26, 20))
        delivery.dispatch()
        assert delivery.mail == []

        delivery.catch_up(local(2026, 10, 26, 21))

        assert windows(delivery) == [(local(2026, 10, 27, 8), local(2026, 10, 27, 20))]

    def test_older_than_the_lookback_is_dropped_with_a_reason(self, delivery: Delivery) -> None:
        delivery.due()

        delivery.catch_up(CLOSES + timedelta(days=14))

        assert delivery.register.rows(
            "SELECT status, reason FROM notification_schedule WHERE event = 'SECONDARY'"
        ) == [("SUPPRESSED", "window closed before the lookback")]

    def test_as_young_as_the_lookback_is_sent(self, delivery: Delivery) -> None:
        delivery.due()

        delivery.send_late(CLOSES + timedelta(days=14) - timedelta(seconds=1))

        assert len(delivery.mail) == 1

    def test_one_that_waited_out_the_lookback_is_dropped(self, delivery: Delivery) -> None:
        """A licence behind many others of one person: its turn must not come months later."""
        tenant = delivery.due()
        for number in range(2):
            delivery.register.license(tenant, the_person(delivery), EXPIRES, number=f"MD-{number}")
        delivery.register.plan()
        delivery.catch_up(CLOSES)

        delivery.catch_up(CLOSES + timedelta(days=14))

        assert delivery.statuses() == {"SUPPRESSED": 3}

    @pytest.mark.parametrize(
        ("expires_on", "missed_until", "opens", "closes"),
        [
            # Spring forward on 14 March 2027: the night is an hour shorter, 08:00 comes at 12:00 UTC.
            (date(2027, 4, 12), datetime(2027, 3, 14, 1, tzinfo=UTC), (2027, 3, 14, 8), (2027, 3, 14, 20)),
            # Fall back on 1 November 2026: 08:00 comes at 13:00 UTC.
            (date(2026, 11, 30), datetime(2026, 11, 1, 2, tzinfo=UTC), (2026, 11, 1, 8), (2026, 11, 1, 20)),
        ],
    )
    def test_nights_in_which_the_clocks_change(
        self,
        delivery: Delivery,
        expires_on: date,
        missed_until: datetime,
        opens: tuple[int, ...],
        closes: tuple[int, ...],
    ) -> None:
        tenant = delivery.register.tenant()
        delivery.register.license(tenant, delivery.register.clinician(tenant), expires_on)
        delivery.register.plan(missed_until - DAY)

        delivery.catch_up(missed_until)

        assert windows(delivery) == [(local(*opens), local(*closes))]


def the_person(delivery: Delivery) -> Any:
    return delivery.register.rows("SELECT clinician_id FROM clinicians")[0][0]


class TestOnePerPerson:
    def test_licences_of_one_person_go_out_four_hours_apart(self, delivery: Delivery) -> None:
        tenant = delivery.due()
        for number in range(3):
            delivery.register.license(
                tenant, the_person(delivery), EXPIRES - timedelta(days=number + 1), number=f"MD-{number}"
            )
        delivery.register.plan()

        live_through(delivery, CLOSES, CLOSES + 3 * DAY)

        times = sorted(email.received_at for email in delivery.mail)
        assert len(times) == 4
        assert all(later - earlier >= timedelta(hours=4) for earlier, later in pairwise(times))
        assert all(8 <= at.astimezone(NEW_YORK).hour < 20 for at in times)
        # The licence that expires first is told first.
        order = delivery.register.rows(
            "SELECT occasion_date FROM notification_schedule JOIN notification_outbox USING (idempotency_key)"
            " ORDER BY started_at"
        )
        assert order == sorted(order)

    def test_several_people_do_not_wait_for_one_another(self, delivery: Delivery) -> None:
        delivery.due(5)

        delivery.send_late(CLOSES)

        assert {email.received_at for email in delivery.mail} == {CLOSES}
        assert len(delivery.mail) == 5

    def test_one_whose_fate_is_unknown_keeps_the_next_waiting(self, delivery: Delivery) -> None:
        tenant = delivery.due()
        delivery.register.license(tenant, the_person(delivery), EXPIRES, number="MD-1")
        delivery.register.plan()
        delivery.faults.inject(faults.reset_after_accept)
        delivery.send_late(CLOSES)
        assert delivery.statuses() == {"UNKNOWN": 1, "LATE_PENDING": 1}

        delivery.send_late(CLOSES + timedelta(minutes=5))
        assert delivery.statuses() == {"UNKNOWN": 1, "LATE_PENDING": 1}
        live_through(delivery, CLOSES + timedelta(hours=1), CLOSES + DAY)

        first, second = sorted(email.received_at for email in delivery.mail)
        assert second - first >= timedelta(hours=4)

    def test_one_that_is_held_no_more_keeps_its_distance(self, delivery: Delivery) -> None:
        tenant = delivery.due()
        delivery.register.license(tenant, the_person(delivery), EXPIRES, number="MD-1")
        delivery.register.plan()
        delivery.faults.inject(faults.answer(500))
        delivery.send_late(CLOSES)
        for hour in range(1, MOST_PROBES + 1):
            delivery.faults.inject(faults.answer(503))
            delivery.catch_up(CLOSES + timedelta(hours=hour))
        delivery.send()
        assert delivery.statuses() == {"HELD": 1, "SENT": 1}

        live_through(delivery, CLOSES + timedelta(hours=6), CLOSES + DAY)

        first, second = sorted(email.received_at for email in delivery.mail)
        assert second - first >= timedelta(hours=4)


class TestOnePerLicence:
    def test_the_most_urgent_speaks_for_what_was_due_before(self, delivery: Delivery) -> None:
        tenant = delivery.register.tenant()
        delivery.register.license(tenant, delivery.register.clinician(tenant), EXPIRES)
        short_steps(delivery)
        delivery.register.plan()

        live_through(delivery, CLOSES + 2 * DAY, CLOSES + 3 * DAY)

        assert delivery.register.statuses() == {
            "PRIMARY": "SUPPRESSED",
            "SECONDARY": "SUPPRESSED",
            "PAST_DUE": "SENT",
        }
        assert delivery.register.rows(
            "SELECT DISTINCT reason FROM notification_schedule WHERE status = 'SUPPRESSED'"
        ) == [("superseded by a more urgent reminder",)]
        assert len(delivery.mail) == 1

    def test_a_reminder_that_came_in_time_makes_the_late_one_before_it_needless(
        self, delivery: Delivery
    ) -> None:
        tenant = delivery.register.tenant()
        delivery.register.license(tenant, delivery.register.clinician(tenant), EXPIRES)
        short_steps(delivery)
        delivery.register.plan()
        delivery.send(OPENS + DAY)

        delivery.catch_up(CLOSES + DAY)

        assert delivery.register.statuses() == {
            "PRIMARY": "SUPPRESSED",
            "SECONDARY": "SENT",
            "PAST_DUE": "PENDING",
        }

    def test_one_that_was_given_up_speaks_for_nothing(self, delivery: Delivery) -> None:
        tenant = delivery.register.tenant()
        delivery.register.license(tenant, delivery.register.clinician(tenant), EXPIRES)
        short_steps(delivery)
        delivery.register.plan()
        delivery.faults.inject(faults.answer(400))
        delivery.send(OPENS + DAY)
        assert delivery.register.statuses()["SECONDARY"] == "DEFERRED"

        delivery.send_late(CLOSES + DAY)

        assert delivery.register.statuses() == {
            "PRIMARY": "SENT",
            "SECONDARY": "DEFERRED",
            "PAST_DUE": "PENDING",
        }
        assert len(delivery.mail) == 1


def short_steps(delivery: Delivery) -> None:
    """PRIMARY on 26 October, SECONDARY and PAST_DUE on the two days after."""
    with delivery.register.database.owner.begin() as connection:
        steps = [
            {
                "event": event,
                "days": days,
                "template": event.lower(),
                "channels": ["EMAIL"],
                "recipients": ["HOLDER"],
            }
            for event, days in (("PRIMARY", -30), ("SECONDARY", -29), ("PAST_DUE", -28))
        ]
        connection.execute(
            text("UPDATE policy_version SET steps = CAST(:steps AS jsonb)"), {"steps": json.dumps(steps)}
        )


def live_through(delivery: Delivery, start: datetime, until: datetime) -> None:
    """Catch-up every hour, scan every half hour."""
    at = start
    while at < until:
        if at.minute == 0:
            delivery.catch_up(at)
        delivery.send(at)
        at += timedelta(minutes=30)
