"""Tenants that send in names of their own, at paces of their own, beside one that has neither."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import text

from local.doubles import faults
from local.doubles.faults import FaultQueue
from local.stack import NUMBERS, SENDERS
from nolapse.delivery.dispatch import dispatch
from nolapse.domain.routing import RETRY_DELAYS
from nolapse.runtime.bootstrap import runtime
from tests.integration.conftest import Register
from tests.integration.delivery.conftest import OPENS, Delivery, delivering

MINUTE = timedelta(minutes=1)
OURS = "reminders@nolapse.test"


def slow(register: Register, tenant: UUID, per_minute: int | None) -> None:
    with register.database.owner.begin() as connection:
        connection.execute(
            text("UPDATE tenants SET messages_per_minute = :most WHERE tenant_id = :tenant"),
            {"most": per_minute, "tenant": tenant},
        )


def retire(register: Register, sender: UUID) -> None:
    with register.database.owner.begin() as connection:
        connection.execute(
            text("UPDATE senders SET status = 'RETIRED' WHERE sender_id = :sender"), {"sender": sender}
        )


def senders_by_tenant(delivery: Delivery) -> dict[str, Counter[str]]:
    """By what the vendor got, and as the attempts have it."""
    got = {mail.key: mail.sender for mail in delivery.mail}
    rows = delivery.register.rows(
        "SELECT slug, encode(idempotency_key, 'hex'), sender FROM notification_outbox JOIN tenants USING (tenant_id)"
        " WHERE outcome = 'ACCEPTED'"
    )
    found: dict[str, Counter[str]] = {}
    for slug, key, sender in rows:
        assert got[key] == sender
        found.setdefault(slug, Counter())[sender] += 1
    return found


def test_each_tenant_sends_in_its_own_names_and_who_has_none_in_the_stack_s(delivery: Delivery) -> None:
    east, west = (delivery.due(20, slug) for slug in ("east", "west"))
    delivery.due(20, "plain")
    for number in (1, 2):
        delivery.register.sender(east, f"east-{number}@east.test")
    delivery.register.sender(west, "west@west.test")
    # Of a provider that does not carry the message.
    delivery.register.sender(west, "mailbox@west.test", "graph")

    delivery.send(OPENS)

    sent = senders_by_tenant(delivery)
    assert sent.keys() == {"east", "west", "plain"}
    assert (sent["west"], sent["plain"]) == ({"west@west.test": 20}, {OURS: 20})
    assert sent["east"].keys() == {"east-1@east.test", "east-2@east.test"}
    assert delivery.statuses() == {"SENT": 60}


def test_a_sender_leaves_no_faster_than_it_may_and_others_pass(delivery: Delivery) -> None:
    east = delivery.due(5, "east")
    delivery.due(3, "plain")
    delivery.register.sender(east, "east@east.test", per_minute=2)
    for minute, own, ours in ((0, 2, 3), (1, 4, 3), (2, 5, 3)):
        delivery.send(OPENS + minute * MINUTE)
        sent = senders_by_tenant(delivery)
        assert (sent["east"]["east@east.test"], sent["plain"][OURS]) == (own, ours)
    assert delivery.register.rows(
        "SELECT DISTINCT reason FROM audit_log WHERE (from_status, to_status) = ('QUEUED', 'PENDING')"
    ) == [("paced: sender",)]


def test_a_mailbox_that_two_share_keeps_the_stricter_limit_in_one_batch(delivery: Delivery) -> None:
    for slug, most in (("east", 1), ("west", 30)):
        delivery.register.sender(delivery.due(2, slug), "shared@group.test", per_minute=most)
    delivery.send(OPENS)
    assert len(delivery.mail) == 1
    for minute in range(1, 5):
        delivery.send(OPENS + minute * MINUTE)
    assert delivery.statuses() == {"SENT": 4}


def test_a_tenant_s_own_limit_is_below_or_above_the_stack_s(delivery: Delivery) -> None:
    slow(delivery.register, delivery.due(3, "slow"), 1)
    slow(delivery.register, delivery.due(3, "fast"), 3)
    delivery.due(3, "plain")
    delivery.scan(OPENS)
    made = runtime()
    rules = replace(made.dispatch_rules, per_tenant_minute=2)
    batch = delivery.opened(delivery.receive())
    counts = dispatch(made.engine, made.outlets, made.sender, rules, batch=batch, now=OPENS)

    assert {slug: sum(sent.values()) for slug, sent in senders_by_tenant(delivery).items()} == {
        "slow": 1, "fast": 3, "plain": 2,
    }  # fmt: skip
    assert (counts["paced"], counts["paced_by_tenant"]) == (3, 3)


def refused_at_first(delivery: Delivery) -> None:
    """Ten in one batch, each with a try that the vendor had no room for."""
    delivery.faults.inject(*[faults.answer(429)] * 10)
    delivery.scan(OPENS)
    made, batch = runtime(), delivery.opened(delivery.receive())
    dispatch(made.engine, made.outlets, made.sender, made.dispatch_rules, batch=batch, now=OPENS)
    delivery.register.execute("UPDATE provider_circuit SET state = 'CLOSED', failures = 0, retry_at = NULL")


def test_every_try_of_one_notification_goes_by_the_same_sender(delivery: Delivery) -> None:
    tenant = delivery.due(10)
    for number in range(3):
        delivery.register.sender(tenant, f"desk-{number}@clinic.test")
    refused_at_first(delivery)
    delivery.send(OPENS + RETRY_DELAYS[0] * 1.2)

    assert delivery.statuses() == {"SENT": 10}
    assert delivery.register.rows(
        "SELECT max(tries), max(senders) FROM (SELECT count(*) AS tries, count(DISTINCT sender) AS senders"
        " FROM notification_outbox GROUP BY idempotency_key) AS each"
    ) == [(2, 1)]


def test_one_that_retires_midway_hands_over_its_own_and_the_last_one_to_the_stack(delivery: Delivery) -> None:
    tenant = delivery.due(10)
    first, second = (delivery.register.sender(tenant, f"desk-{number}@clinic.test") for number in (1, 2))
    refused_at_first(delivery)
    tried = {sender for (sender,) in delivery.register.rows("SELECT sender FROM notification_outbox")}
    assert tried == {"desk-1@clinic.test", "desk-2@clinic.test"}
    retire(delivery.register, first)
    delivery.send(OPENS + RETRY_DELAYS[0] * 1.2)

    assert delivery.statuses() == {"SENT": 10}
    assert {mail.sender for mail in delivery.mail} == {"desk-2@clinic.test"}

    retire(delivery.register, second)
    delivery.register.execute(
        "UPDATE licenses SET expires_on = expires_on + 1 WHERE tenant_id = :tenant", tenant=tenant
    )
    delivery.register.plan()
    delivery.send(OPENS + timedelta(days=1))
    assert Counter(mail.sender for mail in delivery.mail) == {"desk-2@clinic.test": 10, OURS: 10}


@pytest.fixture
def lost() -> FaultQueue:
    """What becomes of the answers to Graph's sending of drafts."""
    return FaultQueue(at="/send$")


@pytest.fixture
def vendors(register: Register, tmp_path: Path, lost: FaultQueue) -> Iterator[Delivery]:
    """With Microsoft Graph and Twilio beside SendGrid."""
    with delivering(register, tmp_path / "mail.sqlite", graph=lost, twilio=FaultQueue()) as delivery:
        yield delivery


def test_a_mailbox_is_asked_what_it_sent_after_it_retired(vendors: Delivery, lost: FaultQueue) -> None:
    sender = vendors.register.sender(vendors.due(), SENDERS[1], "graph")
    vendors.scan(OPENS)
    made = runtime()
    outlets = replace(
        made.outlets, by_channel={"EMAIL": {"graph": made.outlets.by_channel["EMAIL"]["graph"]}}
    )
    lost.inject(faults.reset_after_accept)
    batch = vendors.opened(vendors.receive())
    dispatch(made.engine, outlets, made.sender, made.dispatch_rules, batch=batch, now=OPENS)
    assert vendors.statuses() == {"UNKNOWN": 1}
    retire(vendors.register, sender)

    vendors.catch_up(OPENS + timedelta(minutes=30))
    vendors.send()

    assert vendors.statuses() == {"SENT": 1}
    assert [mail.sender for mail in vendors.running.others["graph"].messages()] == [SENDERS[1]]
    assert vendors.mail == []


def test_a_mailbox_that_the_vendor_does_not_know_stops_its_own_tenant_alone(vendors: Delivery) -> None:
    vendors.register.sender(vendors.due(6, "wrong"), "nobody@wrong.test", "graph")
    made = runtime()
    outlets = replace(
        made.outlets, by_channel={"EMAIL": {"graph": made.outlets.by_channel["EMAIL"]["graph"]}}
    )

    def dispatched() -> Counter[str]:
        vendors.scan()
        batch = vendors.opened(vendors.receive())
        return dispatch(
            made.engine, outlets, made.sender, made.dispatch_rules, batch=batch, now=vendors.clock.now()
        )

    vendors.clock.move_to(OPENS)
    assert dispatched()["retry_safe"] == 6
    vendors.due(3, "plain")
    assert dispatched()["accepted"] == 3
    assert vendors.register.rows("SELECT provider, state FROM provider_circuit") == [("graph:wrong", "OPEN")]
    counts = vendors.scan()
    assert (counts["circuits_open"], counts["tenant_circuits_open"]) == (0, 1)


def test_texts_leave_by_a_number_of_the_tenant_s_own(vendors: Delivery) -> None:
    vendors.told_by("SMS")
    own = vendors.due(2, "own")
    vendors.due(2, "plain")
    vendors.register.execute("UPDATE clinicians SET phone = '+1212555012' || right(external_id, 1)")
    vendors.register.sender(own, "+15005550008", "twilio-sms", per_minute=1)
    texts = vendors.running.others["twilio"].messages
    for minute, sent in ((0, 1), (1, 2)):
        vendors.send(OPENS + timedelta(hours=2) + minute * MINUTE)
        assert Counter(each.sender for each in texts()) == {"+15005550008": sent, NUMBERS[0]: 2}
