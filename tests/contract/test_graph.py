"""What is Graph's own: a token, a draft, and the draft's fate."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from itertools import count
from threading import Event, Lock
from typing import Any

import pytest

from local.doubles import faults
from local.doubles.server import Exchange, Fault, answer_normally
from nolapse.domain.messages import Email
from nolapse.domain.outcomes import Accepted, NotFound, Rejected, RetrySafe, Unknown
from nolapse.providers.graph import Graph, GraphApplication
from tests.contract.conftest import SECRET, TIMEOUT

pytestmark = pytest.mark.parametrize("rig", ["graph"], indirect=True)

DISCOVERY, TOKEN = "GET .*/openid-configuration", "POST .*/token$"
DRAFT, SEND, PURGE = "POST .*/messages$", "POST .*/send$", "POST .*/permanentDelete$"
FIND, GET = r"GET .*/messages\?", r"GET .*/messages/"

BROKEN: list[Fault] = [
    faults.reset_unread,
    faults.reset_after_accept,
    faults.close_after_accept,
    faults.hang_after_accept,
    faults.garble_after_accept,
    faults.cut_short_after_accept,
    faults.trickle(TIMEOUT / 10),
    faults.delay(3 * TIMEOUT),
    faults.answer(302, headers={"Location": "https://elsewhere.example/"}),
    faults.answer(500),
    faults.accept_then_answer(502),
    faults.answer(200, body=[]),
    faults.answer(201, body={"id": None}),
]

SEND_ONE = """
import sys
from nolapse.domain.messages import Email, Rendered
from nolapse.providers.graph import Graph, GraphApplication
url, secret, to, sender, key, attempt_id = sys.argv[1:]
graph = Graph(GraphApplication(f"{url}/contoso", "app", secret, url), 10)
graph.send(Email(to, sender, "Nolapse", key, attempt_id, Rendered("Renewal", "<p>html</p>", "text")))
"""


def watched(seen: list[str]) -> Fault:
    def fault(exchange: Exchange) -> None:
        seen.append(exchange.line)
        answer_normally(exchange)

    return fault


class TestRequests:
    def test_the_draft(self, rig: Any, email: Email) -> None:
        rig.provider.send(email)
        (received,) = rig.double.messages()
        ours = "{6a1f0c52-93d4-4b7e-8e0b-5d2c7f4b9a31}"
        assert received.request == {
            "subject": email.content.subject,
            "body": {"contentType": "html", "content": email.content.html},
            "from": {"emailAddress": {"address": email.sender, "name": email.sender_name}},
            "toRecipients": [{"emailAddress": {"address": email.to}}],
            "singleValueExtendedProperties": [
                {"id": f"String {ours} Name nolapse-key", "value": email.key},
                {"id": f"String {ours} Name nolapse-attempt", "value": email.attempt_id},
            ],
        }

    def test_one_click_to_leave(self, rig: Any, email: Email) -> None:
        rig.provider.send(replace(email, unsubscribe_url="https://nolapse.example/u/1?t=a&b"))
        (received,) = rig.double.messages()
        headers = "String {00020386-0000-0000-C000-000000000046} Name"
        assert received.request["singleValueExtendedProperties"][2:] == [
            {"id": "String 0x1045", "value": "<https://nolapse.example/u/1?t=a&b>"},
            {"id": f"{headers} List-Unsubscribe-Post", "value": "List-Unsubscribe=One-Click"},
        ]

    def test_one_token_serves_many(self, rig: Any, email: Email) -> None:
        seen: list[str] = []
        rig.faults.at = ""
        rig.faults.inject(*[watched(seen)] * 20)
        outcomes = [rig.provider.send(email) for _ in range(2)]
        message_ids = [outcome.message_id for outcome in outcomes]
        assert seen == [
            "GET /contoso/v2.0/.well-known/openid-configuration",
            "POST /contoso/oauth2/v2.0/token",
            *(
                line
                for message_id in message_ids
                for line in (
                    f"POST /v1.0/users/{email.sender}/messages",
                    f"POST /v1.0/users/{email.sender}/messages/{message_id}/send",
                )
            ),
        ]

    def test_every_request_asks_for_immutable_ids(self, rig: Any, email: Email) -> None:
        outcome = rig.provider.send(email)
        assert "." not in outcome.message_id
        assert rig.provider.probe(rig.sought(email, handle=outcome.message_id)) == outcome


class TestToken:
    @pytest.mark.parametrize("step", [DISCOVERY, TOKEN])
    @pytest.mark.parametrize("fault", BROKEN)
    def test_no_token_no_harm(self, rig: Any, email: Email, step: str, fault: Fault) -> None:
        rig.faults.at = step
        rig.faults.inject(fault, fault)
        provider = rig.provider_at(rig.double.url, TIMEOUT)
        assert isinstance(provider.send(email), RetrySafe)
        assert isinstance(provider.probe(rig.sought(email)), Unknown)
        assert rig.double.messages() == []

    @pytest.mark.parametrize("step", [DISCOVERY, TOKEN])
    def test_the_next_try_asks_again(self, rig: Any, email: Email, step: str) -> None:
        rig.faults.at = step
        rig.faults.inject(faults.reset_unread, faults.answer(500), faults.answer(200, body=[]))
        outcomes = [rig.provider.send(email) for _ in range(4)]
        assert [type(outcome) for outcome in outcomes] == [RetrySafe, RetrySafe, RetrySafe, Accepted]

    def test_a_wrong_secret(self, rig: Any, email: Email) -> None:
        url = rig.double.url
        graph = Graph(GraphApplication(f"{url}/contoso", "app", "expired", url), 10)
        assert graph.send(email) == RetrySafe("graph:token:invalid_client")
        assert graph.probe(rig.sought(email)) == Unknown("graph:token:invalid_client")

    def test_the_directory_may_ask_for_patience(self, rig: Any, email: Email) -> None:
        rig.faults.at = TOKEN
        rig.faults.inject(faults.answer(429, headers={"Retry-After": "17"}))
        assert rig.provider.send(email) == RetrySafe("graph:token:429", timedelta(seconds=17))

    def test_the_secret_is_nowhere_to_be_read(self, rig: Any) -> None:
        assert SECRET not in repr(GraphApplication(rig.double.url, "app", SECRET, rig.double.url))

    def test_line_ends_around_a_secret(self, rig: Any, email: Email) -> None:
        url = rig.double.url
        graph = Graph(GraphApplication(f"{url}/contoso/", "app", f" {SECRET}\n", f"{url}/"), 10)
        assert isinstance(graph.send(email), Accepted)


class TestDraft:
    @pytest.mark.parametrize("fault", BROKEN)
    def test_a_draft_is_not_a_message(self, rig: Any, email: Email, fault: Fault) -> None:
        rig.faults.at = DRAFT
        rig.faults.inject(fault)
        outcome = rig.provider_at(rig.double.url, TIMEOUT).send(email)
        assert isinstance(outcome, RetrySafe)
        assert rig.double.messages() == []
        again = rig.provider.send(email)
        assert isinstance(again, Accepted)
        assert rig.provider.probe(rig.sought(email)) == again

    @pytest.mark.parametrize("status", [429, 503, 504])
    def test_how_long_to_wait(self, rig: Any, email: Email, status: int) -> None:
        rig.faults.at = DRAFT
        rig.faults.inject(faults.answer(status, headers={"Retry-After": "17"}))
        assert rig.provider.send(email) == RetrySafe(f"graph:{status}", timedelta(seconds=17))

    def test_a_message_too_large(self, rig: Any, email: Email) -> None:
        content = replace(email.content, html="x" * 5_000_000)
        outcome = rig.provider.send(replace(email, content=content))
        assert outcome == Rejected("graph:413:ErrorMessageSizeExceeded")

    def test_a_mailbox_that_is_not_there(self, rig: Any, email: Email) -> None:
        assert rig.provider.send(replace(email, sender="nobody@nolapse.example")) == RetrySafe("graph:404")


class TestSend:
    @pytest.mark.parametrize("fault", [*BROKEN, faults.answer(503, headers={"Retry-After": "17"})])
    def test_unknown_goes_by_the_drafts_id(self, rig: Any, email: Email, fault: Fault) -> None:
        rig.faults.at = SEND
        rig.faults.inject(fault)
        outcome = rig.provider_at(rig.double.url, TIMEOUT).send(email)
        assert isinstance(outcome, Unknown)
        sent = [message.message_id for message in rig.double.messages()]
        assert [outcome.handle] == (sent or rig.double.drafts())
        found = rig.provider.probe(rig.sought(email, handle=outcome.handle))
        assert found == (Accepted(sent[0]) if sent else NotFound())
        assert rig.double.drafts() == []

    def test_too_fast(self, rig: Any, email: Email) -> None:
        rig.faults.at = SEND
        rig.faults.inject(faults.answer(429, headers={"Retry-After": "17"}))
        assert rig.provider.send(email) == RetrySafe("graph:429", timedelta(seconds=17))
        assert rig.double.drafts() == []

    @pytest.mark.parametrize(
        ("status", "code", "outcome"),
        [
            (400, "ErrorInvalidRecipients", Rejected("graph:400:ErrorInvalidRecipients")),
            (400, "ana@clinic.example", Rejected("graph:400")),
            (400, "ErrorQuotaExceeded", RetrySafe("graph:400:ErrorQuotaExceeded")),
            (403, "ErrorSendAsDenied", RetrySafe("graph:403")),
        ],
    )
    def test_codes(self, rig: Any, email: Email, status: int, code: str, outcome: object) -> None:
        rig.faults.at = SEND
        rig.faults.inject(faults.answer(status, body={"error": {"code": code, "message": email.to}}))
        assert rig.provider.send(email) == outcome
        assert rig.double.drafts() == []

    @pytest.mark.parametrize("fault", BROKEN)
    def test_a_draft_that_can_not_be_tidied_away(self, rig: Any, email: Email, fault: Fault) -> None:
        rig.faults.at = f"{SEND}|{PURGE}"
        rig.faults.inject(faults.answer(429), fault)
        outcome = rig.provider_at(rig.double.url, TIMEOUT).send(email)
        assert outcome == RetrySafe("graph:429")
        assert rig.double.messages() == []


class TestProbe:
    @pytest.fixture
    def draft(self, rig: Any, email: Email) -> str:
        """Left by a send that did not happen."""
        rig.faults.at = SEND
        rig.faults.inject(faults.answer(500))
        return str(rig.provider.send(email).handle)

    def test_a_request_on_its_way_finds_nothing_to_send(self, rig: Any, email: Email) -> None:
        arrives = Event()
        answers = []

        def late(exchange: Exchange) -> None:
            assert arrives.wait(10)
            answers.append(exchange.process().status)

        rig.faults.at = SEND
        rig.faults.inject(late)
        outcome = rig.provider_at(rig.double.url, TIMEOUT).send(email)
        assert rig.provider.probe(rig.sought(email, handle=outcome.handle)) == NotFound()
        arrives.set()
        rig.double.stop()
        assert answers == [404]
        assert rig.double.messages() == []

    @pytest.mark.parametrize("handled", [True, False])
    def test_a_draft_is_purged(self, rig: Any, email: Email, draft: str, handled: bool) -> None:
        assert rig.double.drafts() == [draft]
        assert rig.provider.probe(rig.sought(email, handle=draft if handled else None)) == NotFound()
        assert rig.double.drafts() == []

    @pytest.mark.parametrize("step", [FIND, GET, PURGE])
    @pytest.mark.parametrize("fault", [*BROKEN, *(faults.answer(status) for status in (401, 403, 429))])
    def test_every_step_may_break(self, rig: Any, email: Email, draft: str, step: str, fault: Fault) -> None:
        rig.faults.at = step
        rig.faults.inject(fault)
        found = rig.provider_at(rig.double.url, TIMEOUT).probe(rig.sought(email, handle=draft))
        assert isinstance(found, Unknown)
        assert rig.provider.probe(rig.sought(email, handle=draft)) == NotFound()

    def test_a_draft_that_remains(self, rig: Any, email: Email, draft: str) -> None:
        rig.faults.at = PURGE
        rig.faults.inject(faults.answer(403))
        assert rig.provider.probe(rig.sought(email)) == Unknown("graph:draft-remains")
        assert rig.double.drafts() == [draft]

    def test_one_that_was_sent_among_drafts(self, rig: Any, email: Email, draft: str) -> None:
        outcome = rig.provider.send(email)
        assert rig.provider.probe(rig.sought(email, handle=draft)) == outcome
        assert rig.provider.probe(rig.sought(email)) == outcome

    def test_a_handle_that_names_nothing(self, rig: Any, email: Email) -> None:
        outcome = rig.provider.send(email)
        assert rig.provider.probe(rig.sought(email, handle="f" * 32)) == outcome

    def test_without_a_mailbox(self, rig: Any, email: Email) -> None:
        assert rig.provider.probe(replace(rig.sought(email), sender=None)) == Unknown("graph:no-mailbox")

    def test_a_page_that_is_not_the_last(self, rig: Any, email: Email) -> None:
        rig.faults.at = FIND
        rig.faults.inject(faults.answer(200, body={"value": [], "@odata.nextLink": "https://g.example/2"}))
        assert rig.provider.probe(rig.sought(email)) == Unknown("graph:ValueError")


class TestPlaces:
    def test_four_at_a_time_for_one_mailbox(self, rig: Any, email: Email) -> None:
        under_way, most, counting = 0, 0, Lock()

        def slow(exchange: Exchange) -> None:
            nonlocal under_way, most
            with counting:
                under_way += 1
                most = max(most, under_way)
            reply = exchange.process()
            exchange.stopping.wait(0.02)
            with counting:
                under_way -= 1
            exchange.reply(reply)

        rig.faults.at = "/users/"
        rig.faults.inject(*[slow] * 40)
        with ThreadPoolExecutor(20) as pool:
            outcomes = list(pool.map(rig.provider.send, [email] * 20))
        assert {type(outcome) for outcome in outcomes} == {Accepted}
        assert most == 4

    def test_who_waits_in_vain_has_sent_nothing(self, rig: Any, email: Email) -> None:
        """Whose turn comes at the last moment finds a place: who waits in vain differs from round to round."""
        rig.faults.at = SEND
        provider = rig.provider_at(rig.double.url, TIMEOUT)
        waited: dict[str, str] = {}
        for turn in count():
            rig.faults.inject(*[faults.hang_after_accept] * 12)
            emails = [replace(email, key=f"{turn * 12 + number:064x}") for number in range(12)]
            with ThreadPoolExecutor(12) as pool:
                outcomes = list(pool.map(provider.send, emails))
            for sent, outcome in zip(emails, outcomes, strict=True):
                if isinstance(outcome, RetrySafe):
                    waited[sent.key] = outcome.code
            if "graph:MailboxBusy" in waited.values():
                break
        # 429: a place was given up whose request the mailbox was still busy with.
        assert set(waited.values()) <= {"graph:MailboxBusy", "graph:TimeoutError", "graph:429"}
        assert waited.keys().isdisjoint(message.key for message in rig.double.messages())

    def test_mailboxes_do_not_wait_for_one_another(self, rig: Any, email: Email) -> None:
        rig.faults.at = SEND
        rig.faults.inject(*[faults.hang_after_accept] * 4)
        provider = rig.provider_at(rig.double.url, 5)
        with ThreadPoolExecutor(4) as pool:
            hanging = [pool.submit(provider.send, email) for _ in range(4)]
            while len(rig.double.messages()) < 4:
                time.sleep(0.01)
            elsewhere = provider.send(replace(email, sender="other@nolapse.example"))
            assert elsewhere == RetrySafe("graph:404")
            assert not any(outcome.done() for outcome in hanging)
            rig.double.stop()


class TestKilled:
    """A process that dies in the middle leaves what a probe without a handle can settle."""

    @pytest.fixture
    def kill_at(self, rig: Any, email: Email) -> Iterator[Callable[[str, bool], None]]:
        def run(step: str, taken: bool) -> None:
            def kill(exchange: Exchange) -> None:
                if taken:
                    exchange.process()
                process.send_signal(signal.SIGKILL)
                process.wait()
                exchange.reset()

            rig.faults.at = step
            rig.faults.inject(kill)
            arguments = [rig.double.url, SECRET, email.to, email.sender, email.key, email.attempt_id]
            process = subprocess.Popen([sys.executable, "-c", SEND_ONE, *arguments])
            assert process.wait(30) == -signal.SIGKILL

        return run

    @pytest.mark.parametrize(("step", "taken"), [(DRAFT, False), (DRAFT, True), (SEND, False)])
    def test_before_it_was_sent(self, rig: Any, email: Email, kill_at: Any, step: str, taken: bool) -> None:
        kill_at(step, taken)
        assert len(rig.double.drafts()) == (taken or step == SEND)
        assert rig.provider.probe(rig.sought(email)) == NotFound()
        assert (rig.double.drafts(), rig.double.messages()) == ([], [])

    def test_after_it_was_sent(self, rig: Any, email: Email, kill_at: Any) -> None:
        kill_at(SEND, taken=True)
        (received,) = rig.double.messages()
        assert rig.provider.probe(rig.sought(email)) == Accepted(received.message_id)
