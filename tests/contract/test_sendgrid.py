"""What is SendGrid's own in the provider: the request it makes, its error fields, its log."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from local.doubles import faults
from local.doubles.server import Exchange
from nolapse.domain.messages import Email
from nolapse.domain.outcomes import Accepted, NotFound, Rejected, RetrySafe, Unknown
from nolapse.providers.sendgrid import SendGrid

pytestmark = pytest.mark.parametrize("rig", ["sendgrid"], indirect=True)


def refused_for(field: object) -> faults.Fault:
    body = {"errors": [{"message": "Does not contain a valid address.", "field": field, "help": None}]}
    return faults.answer(400, body=body)


def test_the_request(rig: Any, email: Email) -> None:
    rig.provider.send(email)
    (received,) = rig.double.messages()
    assert received.request == {
        "personalizations": [
            {"to": [{"email": email.to}], "custom_args": {"key": email.key, "attempt_id": email.attempt_id}}
        ],
        "from": {"email": email.sender, "name": email.sender_name},
        "subject": email.content.subject,
        "content": [
            {"type": "text/plain", "value": email.content.text},
            {"type": "text/html", "value": email.content.html},
        ],
        "categories": [email.key],
        "tracking_settings": {
            "click_tracking": {"enable": False, "enable_text": False},
            "open_tracking": {"enable": False},
        },
    }


def test_one_click_to_leave(rig: Any, email: Email) -> None:
    rig.provider.send(replace(email, unsubscribe_url="https://nolapse.example/u/1?t=a&b"))
    (received,) = rig.double.messages()
    assert received.request["headers"] == {
        "List-Unsubscribe": "<https://nolapse.example/u/1?t=a&b>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }


@pytest.mark.parametrize("key", [" SG.key\n", "SG.key\r\n", "SG.key"])
def test_the_headers(rig: Any, email: Email, key: str) -> None:
    seen = []

    def look(exchange: Exchange) -> None:
        request = exchange.read()
        seen.append(request.headers)
        exchange.reset()

    rig.faults.inject(look)
    SendGrid(key, rig.double.url, 10).send(email)
    (headers,) = seen
    assert headers["Authorization"] == "Bearer SG.key"
    assert headers["Content-Type"] == "application/json"
    assert headers["User-Agent"].startswith("sendgrid/")


def test_a_refused_address_is_named_by_its_field(rig: Any, email: Email) -> None:
    rig.faults.inject(refused_for("personalizations.0.to.0.email"))
    assert rig.provider.send(email) == Rejected("sendgrid:400:personalizations.0.to.0.email")


@pytest.mark.parametrize(
    "field", [None, "null", "", "to.ana@clinic.example", "to.²", "personalizations.ana", {}]
)
def test_a_field_that_is_not_ours_is_left_out(rig: Any, email: Email, field: object) -> None:
    rig.faults.inject(refused_for(field))
    assert rig.provider.send(email) == Rejected("sendgrid:400")


def test_the_rate_limit_resets_by_the_vendors_clock(rig: Any, email: Email) -> None:
    reset = int((rig.clock.now + timedelta(seconds=90)).timestamp())
    rig.faults.inject(
        faults.answer(429, headers={"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(reset)})
    )
    assert rig.provider.send(email) == RetrySafe("sendgrid:429", timedelta(seconds=90))


def test_the_sandbox_is_not_a_mailbox(rig: Any, email: Email) -> None:
    rig.faults.inject(faults.answer(200, headers={"X-Message-Id": "sandbox"}))
    assert rig.provider.send(email) == Unknown("sendgrid:200:unconfirmed")


class TestLog:
    @pytest.mark.parametrize("message_id", [None, "", ".recvd-1"])
    def test_a_message_without_a_name_is_no_proof(
        self, rig: Any, email: Email, message_id: str | None
    ) -> None:
        rig.faults.inject(faults.answer(200, body={"messages": [{"sg_message_id": message_id}]}))
        assert rig.provider.probe(rig.sought(email)) == Unknown("sendgrid:ValueError")

    def test_silence_is_no_proof_for_a_message_older_than_the_log(self, rig: Any, email: Email) -> None:
        sent_at = rig.clock.now
        rig.provider.send(email)
        rig.clock.now += timedelta(days=29)
        assert isinstance(rig.provider.probe(rig.sought(email, since=sent_at)), Accepted)
        rig.clock.now += timedelta(days=1)
        assert rig.provider.probe(rig.sought(email, since=sent_at)) == Unknown("sendgrid:log-expired")
        assert rig.provider.probe(rig.sought(email)) == NotFound()

    def test_an_address_spelt_otherwise_is_found_all_the_same(self, rig: Any, email: Email) -> None:
        outcome = rig.provider.send(email)
        assert rig.provider.probe(rig.sought(replace(email, to=email.to.upper()))) == outcome
