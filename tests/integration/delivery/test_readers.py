"""Answers about one licence by several readers, by several messages, at once, and by who holds it no more."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from uuid import UUID

import pytest

from local.doubles.received import ReceivedEmail
from nolapse.api.acknowledge import record
from nolapse.domain.answers import Answer
from nolapse.domain.links import ACKNOWLEDGE, NotificationLink
from nolapse.runtime.bootstrap import runtime
from nolapse.storage.engine import tenant_transaction
from nolapse.storage.statements import statement
from tests.integration.delivery.conftest import OPENS, Delivery
from tests.integration.delivery.test_acknowledge import link_in, reminded, team
from tests.integration.waiting import wait_for

STEPS = [
    {"event": "SECONDARY", "days": -30, "template": "secondary", "recipients": ["HOLDER"]},
    {"event": "EARLY", "days": -20, "template": "escalation", "recipients": ["SUPERVISOR"]},
    {"event": "ESCALATION", "days": -5, "template": "escalation", "recipients": ["SUPERVISOR"]},
]
GRACE = "grace@clinic.test"


def day(month: int, number: int, hour: int = 14) -> datetime:
    return datetime(2026, month, number, hour, tzinfo=UTC)


def link(mail: ReceivedEmail, at: datetime) -> NotificationLink:
    return runtime().links.open_notification(ACKNOWLEDGE, link_in(mail).rpartition("/")[2], at)


def say(delivery: Delivery, mail: ReceivedEmail, answer: str, at: datetime) -> bool:
    return record(delivery.register.database.api, link(mail, at), Answer(answer), at)


def told(delivery: Delivery, whom: str) -> int:
    return sum(mail.to == whom for mail in delivery.mail)


@pytest.fixture
def both(delivery: Delivery) -> tuple[ReceivedEmail, ReceivedEmail]:
    """A message to Ada, who holds the licence, and one to Grace, who leads her and is to be told once more."""
    tenant = team(delivery)
    delivery.register.execute(
        "UPDATE policy_version SET steps = CAST(:steps AS jsonb) WHERE tenant_id = :tenant",
        steps=json.dumps([step | {"channels": ["EMAIL"]} for step in STEPS]),
        tenant=tenant,
    )
    delivery.register.plan(tenant_id=tenant)
    delivery.send(OPENS)
    delivery.send(day(11, 5))
    ada, grace = delivery.mail
    assert (ada.to, grace.to) == ("ada@clinic.test", GRACE)
    return ada, grace


@pytest.mark.parametrize("first", ["IN_PROGRESS", "RENEWED"])
def test_the_last_answer_counts_by_whichever_message(delivery: Delivery, first: str) -> None:
    earlier = reminded(delivery)
    delivery.send(day(11, 18))
    later = delivery.mail[-1]
    assert say(delivery, earlier, first, day(11, 18, 15))
    assert say(delivery, later, "NOT_MINE", day(11, 18, 16))
    assert not say(delivery, earlier, "NOT_MINE", day(11, 18, 17))

    delivery.send(day(11, 20))

    assert told(delivery, GRACE) == 1


def test_what_one_takes_back_another_still_says(
    delivery: Delivery, both: tuple[ReceivedEmail, ReceivedEmail]
) -> None:
    ada, grace = both
    assert say(delivery, ada, "IN_PROGRESS", day(11, 8))
    assert say(delivery, grace, "RENEWED", day(11, 9))
    assert say(delivery, ada, "NOT_MINE", day(11, 10))

    delivery.send(day(11, 20))

    assert told(delivery, GRACE) == 1


def test_also_where_both_say_it_at_once(
    delivery: Delivery, both: tuple[ReceivedEmail, ReceivedEmail]
) -> None:
    ada, grace = both
    assert say(delivery, ada, "RENEWED", day(11, 8))
    hers = link(ada, day(11, 9))
    with ThreadPoolExecutor() as pool:
        with tenant_transaction(delivery.register.database.api, "link", hers.tenant_id) as first:
            first.execute(statement("lock_answer"), {"key": hers.key, "scheduled_at": hers.scheduled_at})
            answers = [pool.submit(say, delivery, grace, "RENEWED", day(11, 9))]
            wait_for(delivery.register, 1)
            answers.append(pool.submit(say, delivery, ada, "NOT_MINE", day(11, 9)))
            wait_for(delivery.register, 2)
        assert all(answer.result() for answer in answers)

    delivery.send(day(11, 20))

    assert told(delivery, GRACE) == 1


def to_bob(delivery: Delivery, supervisor: str) -> UUID:
    ((tenant,),) = delivery.register.rows("SELECT tenant_id FROM licenses")
    bob = delivery.register.clinician(tenant, "bob", email="bob@clinic.test")
    delivery.register.execute(
        "UPDATE clinicians SET supervisor_id = (SELECT clinician_id FROM clinicians WHERE full_name = :supervisor)"
        " WHERE clinician_id = :bob",
        supervisor=supervisor,
        bob=bob,
    )
    delivery.register.execute("UPDATE licenses SET clinician_id = :bob", bob=bob)
    return UUID(str(tenant))


def test_what_a_former_holder_said_silences_nobody(delivery: Delivery) -> None:
    assert say(delivery, reminded(delivery), "IN_PROGRESS", day(10, 27))
    tenant = to_bob(delivery, "Grace Hopper")
    delivery.register.plan(day(11, 1), tenant_id=tenant)

    delivery.send(day(11, 18))
    delivery.send(day(11, 20))

    assert told(delivery, GRACE) == 1


def test_a_former_holder_who_leads_the_new_one_is_not_told_of_their_own(delivery: Delivery) -> None:
    team(delivery)
    delivery.scan(OPENS)
    to_bob(delivery, "Ada Byron")

    delivery.dispatch()

    assert delivery.mail == []
