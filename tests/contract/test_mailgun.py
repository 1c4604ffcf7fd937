"""What is Mailgun's own: its form, its logs."""

from base64 import b64encode
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from local.doubles import faults
from local.doubles.server import Exchange, answer_normally
from nolapse.domain.messages import Email
from nolapse.domain.outcomes import Accepted, NotFound, Rejected, Unknown
from nolapse.providers.mailgun import Mailgun
from tests.contract.conftest import TIMEOUT

pytestmark = pytest.mark.parametrize("rig", ["mailgun"], indirect=True)


def logged(message_id: object, *tags: str, times: int = 1) -> faults.Fault:
    item = {"event": "accepted", "tags": tags, "message": {"headers": {"message-id": message_id}}}
    return faults.answer(200, body={"items": [item] * times})


class TestRequest:
    def test_the_form(self, rig: Any, email: Email) -> None:
        rig.provider.send(email)
        (received,) = rig.double.messages()
        assert received.request["fields"] == [
            ["from", f'"{email.sender_name}" <{email.sender}>'],
            ["to", email.to],
            ["subject", email.content.subject],
            ["text", email.content.text],
            ["html", email.content.html],
            ["v:key", email.key],
            ["v:attempt_id", email.attempt_id],
            ["o:tag", email.key],
            ["o:tracking", "no"],
            ["o:tracking-clicks", "no"],
            ["o:tracking-opens", "no"],
        ]

    def test_one_click_to_leave(self, rig: Any, email: Email) -> None:
        rig.provider.send(replace(email, unsubscribe_url="https://nolapse.example/u/1?t=a&b"))
        (received,) = rig.double.messages()
        assert received.request["fields"][5:7] == [
            ["h:List-Unsubscribe", "<https://nolapse.example/u/1?t=a&b>"],
            ["h:List-Unsubscribe-Post", "List-Unsubscribe=One-Click"],
        ]

    @pytest.mark.parametrize("name", ['Dr. "Ana" Ruiz', "back\\slash", "Clinic <of> Ana, Inc.", "诊所", ""])
    def test_a_senders_name_is_no_address(self, rig: Any, email: Email, name: str) -> None:
        rig.provider.send(replace(email, sender_name=name))
        (received,) = rig.double.messages()
        assert (received.sender_name, received.sender) == (name, email.sender)

    @pytest.mark.parametrize("key", [" key-1\n", "key-1\r\n", "key-1"])
    def test_the_headers(self, rig: Any, email: Email, key: str) -> None:
        seen = []

        def look(exchange: Exchange) -> None:
            seen.append(exchange.read().headers)
            exchange.reset()

        rig.faults.inject(look)
        Mailgun(key, "nolapse.example", rig.double.url, 10).send(email)
        (headers,) = seen
        assert headers["Authorization"] == "Basic " + b64encode(b"api:key-1").decode()
        assert headers.get_content_type() == "multipart/form-data"

    def test_it_is_named_as_receipts_name_it(self, rig: Any, email: Email) -> None:
        outcome = rig.provider.send(email)
        assert isinstance(outcome, Accepted)
        assert outcome.message_id.endswith("@nolapse.example")

    @pytest.mark.parametrize("body", [{"id": None}, {"id": ""}, {"id": 7}, {"id": "<>"}, [], {}])
    def test_a_message_without_a_name_is_not_accepted(self, rig: Any, email: Email, body: object) -> None:
        rig.faults.inject(faults.answer(200, body=body))
        assert rig.provider.send(email) == Unknown("mailgun:200:unconfirmed")

    def test_a_refused_address_is_not_repeated(self, rig: Any, email: Email) -> None:
        message = {"message": f"to parameter is not a valid address: {email.to}"}
        rig.faults.inject(faults.answer(400, body=message))
        assert rig.provider.send(email) == Rejected("mailgun:400")


class TestLogs:
    def test_silence_is_no_proof_for_a_message_older_than_the_logs(self, rig: Any, email: Email) -> None:
        sent_at = rig.clock.now
        outcome = rig.provider.send(email)
        rig.clock.now += timedelta(hours=23)
        assert rig.provider.probe(rig.sought(email, since=sent_at)) == outcome
        rig.clock.now += timedelta(hours=1, seconds=1)
        assert rig.provider.probe(rig.sought(email, since=sent_at)) == Unknown("mailgun:log-expired")
        assert rig.provider.probe(rig.sought(email)) == NotFound()

    def test_clocks_may_differ(self, rig: Any, email: Email) -> None:
        outcome = rig.provider.send(email)
        ahead = rig.clock.now + timedelta(minutes=5)
        rig.clock.now += timedelta(minutes=6)
        assert rig.provider.probe(rig.sought(email, since=ahead)) == outcome

    def test_an_address_spelt_otherwise_is_found_all_the_same(self, rig: Any, email: Email) -> None:
        outcome = rig.provider.send(email)
        assert rig.provider.probe(rig.sought(replace(email, to=email.to.upper()))) == outcome

    def test_a_tag_that_was_not_kept_is_no_proof_of_absence(self, rig: Any, email: Email) -> None:
        outcome = rig.provider.send(email)
        rig.faults.inject(faults.answer(200, body={"items": []}))
        assert rig.provider.probe(rig.sought(email)) == outcome

    def test_other_messages_to_the_same_person_are_others(
        self, rig: Any, email: Email, another: Email
    ) -> None:
        rig.provider.send(another)
        assert rig.provider.probe(rig.sought(email)) == NotFound()

    def test_a_page_that_may_not_be_the_last(self, rig: Any, email: Email) -> None:
        rig.faults.inject(logged("1@nolapse.example", "ab" * 32, times=100))
        assert rig.provider.probe(rig.sought(email)) == Unknown("mailgun:ValueError")

    def test_one_deadline_bounds_both_searches(self, rig: Any, email: Email) -> None:
        rig.faults.inject(faults.delay(0.8 * TIMEOUT), faults.delay(0.8 * TIMEOUT))
        found = rig.provider_at(rig.double.url, TIMEOUT).probe(rig.sought(email))
        assert isinstance(found, Unknown)

    def test_both_searches_must_answer(self, rig: Any, email: Email) -> None:
        rig.faults.inject(answer_normally, faults.answer(503))
        assert rig.provider.probe(rig.sought(email)) == Unknown("mailgun:503")

    @pytest.mark.parametrize("message_id", [None, "", 7])
    def test_a_message_without_a_name_is_no_proof(self, rig: Any, email: Email, message_id: object) -> None:
        rig.faults.inject(logged(message_id, email.key))
        assert isinstance(rig.provider.probe(rig.sought(email)), Unknown)
