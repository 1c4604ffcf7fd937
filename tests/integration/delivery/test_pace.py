"""How fast messages leave: by the minute and by the day, whatever stands before them in the queue."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from nolapse.delivery.dispatch import DispatchRules, dispatch
from nolapse.delivery.outlets import Outlets
from nolapse.delivery.queue import QueuedNotification
from nolapse.oversight.watchdog import watch
from nolapse.runtime.bootstrap import runtime
from tests.integration.delivery.conftest import CLOSES, OPENS, Delivery

MINUTE = timedelta(minutes=1)


def paced(rules: DispatchRules, outlets: Outlets, batch: Sequence[QueuedNotification], now: datetime) -> int:
    """How many of a batch a limit held back."""
    made = runtime()
    return dispatch(made.engine, outlets, made.sender, rules, batch=batch, now=now)["paced"]


def test_what_is_over_it_leaves_in_the_next_minutes_the_most_urgent_first(delivery: Delivery) -> None:
    delivery.due(8)
    for minute, sent in ((0, 3), (1, 6), (2, 8)):
        now = OPENS + minute * MINUTE
        delivery.scan(now)
        made = runtime()
        batch = delivery.opened(delivery.receive())
        slow = replace(made.outlets, per_minute={"EMAIL": 3})
        counts = dispatch(made.engine, slow, made.sender, made.dispatch_rules, batch=batch, now=now)
        assert (len(delivery.mail), counts["paced"]) == (sent, 8 - sent)
    assert delivery.statuses() == {"SENT": 8}
    assert delivery.register.rows("SELECT max(attempt_count) FROM notification_schedule") == [(1,)]


def test_one_person_gets_no_more_than_so_many_a_day(delivery: Delivery) -> None:
    tenant = delivery.due()
    ((ada,),) = delivery.register.rows("SELECT clinician_id FROM clinicians")
    for number in range(4):
        delivery.register.license(
            tenant, ada, datetime(2026, 11, 25, tzinfo=UTC).date(), number=f"X-{number}"
        )
    delivery.register.plan(tenant_id=tenant)
    delivery.scan(OPENS)
    made = runtime()
    rules = replace(made.dispatch_rules, per_person_day=2)
    batch = delivery.opened(delivery.receive())
    counts = dispatch(made.engine, made.outlets, made.sender, rules, batch=batch, now=OPENS)

    assert (len(delivery.mail), counts["paced"]) == (2, 3)
    assert delivery.statuses() == {"SENT": 2, "PENDING": 3}
    # Its window closes before tomorrow: then it is late, and late ones are spaced.
    delivery.catch_up(CLOSES)
    assert delivery.statuses()["LATE_PENDING"] >= 1


def test_waiting_for_a_minute_s_room_spends_nobody_s_day(delivery: Delivery) -> None:
    delivery.due(8)
    made = runtime()
    slow = replace(made.outlets, per_minute={"EMAIL": 2})
    rules = replace(made.dispatch_rules, per_person_day=1)
    for minute in range(4):
        now = OPENS + minute * MINUTE
        delivery.scan(now)
        assert paced(rules, slow, delivery.opened(delivery.receive()), now) == 6 - 2 * minute

    assert delivery.statuses() == {"SENT": 8}


def test_what_one_tenant_may_not_use_is_left_for_the_others(delivery: Delivery) -> None:
    for slug in ("harbor", "valley"):
        delivery.due(4, slug)
    made = runtime()
    outlets = replace(made.outlets, per_minute={"EMAIL": 4})
    rules = replace(made.dispatch_rules, per_tenant_minute=2)
    delivery.scan(OPENS)
    for message in delivery.receive():
        assert paced(rules, outlets, delivery.opened([message]), OPENS) == 2

    assert delivery.statuses() == {"SENT": 4, "PENDING": 4}


def test_what_was_put_off_beyond_its_window_is_told_before_it_closes(delivery: Delivery) -> None:
    delivery.due()
    delivery.scan(OPENS)
    made = runtime()
    spent = replace(made.dispatch_rules, per_person_day=0)
    assert paced(spent, made.outlets, delivery.opened(delivery.receive()), OPENS) == 1

    soon = watch(made.engine, now=CLOSES - timedelta(minutes=30), everybody=True)

    assert soon.counts["closing_unsent"] == 1
