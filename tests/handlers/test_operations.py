"""The dashboard's widget: every action by its event, and what a button would do."""

import html
import json
import re
from typing import Any

import boto3
import pytest

from local.doubles import faults
from tests.handlers.conftest import load
from tests.integration.delivery.conftest import OPENS, Delivery

BUTTON = re.compile(
    r'<a class="btn">([^<]+)</a>'
    r'<cwdb-action action="call" endpoint="([^"]+)" confirmation="([^"]+)">([^<]+)</cwdb-action>'
)


def call(delivery: Delivery, **event: Any) -> str:
    answer: str = delivery.running.functions.invoke("OperationsFunction", load("operations_dlq_list") | event)
    return answer


def buttons(page: str) -> dict[str, dict[str, Any]]:
    """What each button of the page sends, by its label; none acts without a question."""
    found = BUTTON.findall(page)
    assert len(found) == page.count("cwdb-action action=")
    assert all(endpoint.startswith("arn:aws:lambda:") and question for _, endpoint, question, _ in found)
    return {label: json.loads(html.unescape(event)) for label, _, _, event in found}


def held(delivery: Delivery) -> str:
    delivery.due()
    delivery.faults.inject(faults.answer(500))
    delivery.send(OPENS)
    delivery.register.execute(
        "UPDATE notification_schedule SET status = 'HELD', reason = 'no answer <b>' WHERE status = 'UNKNOWN'"
    )
    ((key,),) = delivery.register.rows(
        "SELECT encode(idempotency_key, 'hex') FROM notification_schedule WHERE status = 'HELD'"
    )
    return str(key)


def test_nothing_to_do(delivery: Delivery) -> None:
    assert "Nothing waits for a human." in call(delivery, action="holds.list")
    assert "No letters." in call(delivery, action="dlq.list")
    assert "Nothing is to be sent again." in call(delivery, action="resend")


def test_a_held_row_is_escaped_and_has_a_button_for_each_decision(delivery: Delivery) -> None:
    key = held(delivery)

    page = call(delivery, action="holds.list")

    assert key in page
    assert "no answer &lt;b&gt;" in page
    assert "<script" not in page
    assert [event["decision"] for event in buttons(page).values()] == ["SENT", "SEND_AGAIN", "DROP"]


def test_pressing_a_button_closes_the_case(delivery: Delivery) -> None:
    held(delivery)
    pressed = buttons(call(delivery, action="holds.list"))["Drop"]

    assert "CANCELLED" in call(delivery, **pressed)

    assert delivery.statuses() == {"CANCELLED": 1}
    assert delivery.register.rows("SELECT actor FROM audit_log ORDER BY seq DESC LIMIT 1") == [("dashboard",)]
    assert "only what is HELD can be resolved" in call(delivery, **pressed)


def test_dead_letters_are_redriven_and_purged_from_the_dashboard(delivery: Delivery) -> None:
    delivery.due()
    delivery.scan(OPENS)
    url = delivery.running.stack.ref("EmailDlq")
    for body in (*delivery.bodies(), "forged"):
        boto3.client("sqs").send_message(QueueUrl=url, MessageBody=body)

    page = call(delivery, action="dlq.list")
    assert "QUEUED" in page
    assert "FORGED" in page
    call(delivery, **buttons(page)["Redrive"])
    assert delivery.statuses() == {"PENDING": 1}
    call(delivery, **buttons(call(delivery, action="dlq.list"))["Purge"])

    assert "No letters." in call(delivery, action="dlq.list")


def test_what_was_given_up_is_sent_again_from_the_dashboard(delivery: Delivery) -> None:
    delivery.due()
    delivery.faults.inject(faults.answer(400))
    delivery.send(OPENS)
    assert "Nothing is to be sent again." in call(delivery, action="resend")

    page = call(delivery, action="resend", reason="rejected")
    assert "sendgrid:400" in page
    assert delivery.statuses() == {"DEFERRED": 1}
    call(delivery, **buttons(page)["Send again"])

    assert delivery.statuses() == {"PENDING": 1}


def test_what_one_call_has_no_time_for_is_left_to_the_next(delivery: Delivery) -> None:
    delivery.due(3)
    delivery.faults.inject(*[faults.answer(400)] * 3)
    delivery.send(OPENS)

    page = call(delivery, action="resend", reason="rejected", most=2, dry_run=False)

    assert "1 are left" in page
    assert delivery.statuses() == {"PENDING": 2, "DEFERRED": 1}
    page = call(delivery, **buttons(page)["Send again"])
    assert "are left" not in page
    assert delivery.statuses() == {"PENDING": 3}


@pytest.mark.parametrize(
    ("event", "said"),
    [
        ({"action": "delete everything"}, "wrong or missing: action"),
        (
            {"action": "holds.resolve", "key": "ada"},
            "wrong or missing: holds.resolve.decision, holds.resolve.key",
        ),
        ({"action": "dlq.purge", "queue": "nobody&#x27;s"}, "there is no dead-letter queue"),
        ({"action": "resend", "days": "<b>ada</b>"}, "wrong or missing: resend.days"),
        ({"action": "resend", "days": 1_000_000_000}, "wrong or missing: resend.days"),
        ({"action": "resend", "tenant": "\0"}, "wrong or missing: resend.tenant"),
        ({"action": "resend", "event": "\ud800"}, "wrong or missing: resend.event"),
        ({"action": "resend", "reason": "a\0", "dry_run": False}, "wrong or missing: resend.reason"),
        ({"action": "holds.list", "tenant": "\0"}, "wrong or missing: holds.list.tenant"),
        ({"action": "dlq.redrive", "who": "a\0"}, "wrong or missing: dlq.redrive.who"),
    ],
)
def test_what_is_not_understood_is_said_without_quoting_it(
    delivery: Delivery, event: dict[str, Any], said: str
) -> None:
    page = call(delivery, **event)

    assert said in page
    assert "<b>" not in page


def test_it_describes_itself(delivery: Delivery) -> None:
    answer = delivery.running.functions.invoke("OperationsFunction", {"describe": True})

    assert "holds.resolve" in answer["markdown"]
