"""What is Twilio's own in its two providers: the requests they make, its error codes, the search for a lost answer."""

from dataclasses import replace
from datetime import datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from local.doubles import faults
from local.doubles.server import Exchange, Fault
from local.doubles.twilio_messages import magic_number
from nolapse.domain.outcomes import Accepted, NotFound, Rejected, RetrySafe, Unknown
from nolapse.providers.twilio_errors import LATER, OURS, PERMANENT
from nolapse.providers.twilio_messages import TwilioSms
from tests.contract.conftest import NO_ANSWER, TIMEOUT
from tests.contract.messages.conftest import (
    ACCOUNT,
    ATTEMPT,
    KEY,
    SECRETS,
    SMS,
    TEMPLATE,
    TEXT,
    WHATSAPP,
    account,
)

on_both = pytest.mark.parametrize("rig", ["twilio-sms", "twilio-whatsapp"], indirect=True)
on_sms = pytest.mark.parametrize("rig", ["twilio-sms"], indirect=True)
on_whatsapp = pytest.mark.parametrize("rig", ["twilio-whatsapp"], indirect=True)

SERVICE = "MG" + "5" * 32
MESSAGES = f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
CALLBACK = f"https://nolapse.example/receipts?key={KEY}&attempt={ATTEMPT}"


class TestRequest:
    @on_sms
    def test_of_an_sms(self, rig: Any) -> None:
        rig.provider.send(SMS)
        (received,) = rig.double.messages()
        assert received.request == {
            "To": "+12125550134",
            "From": "+12015550199",
            "Body": TEXT,
            "StatusCallback": CALLBACK,
        }

    @on_whatsapp
    def test_of_a_template(self, rig: Any) -> None:
        rig.provider.send(WHATSAPP)
        (received,) = rig.double.messages()
        variables = received.request.pop("ContentVariables")
        assert received.request == {
            "To": "whatsapp:+12125550134",
            "From": "whatsapp:+12015550199",
            "ContentSid": TEMPLATE,
            "StatusCallback": CALLBACK,
        }
        assert (
            variables
            == '{"1": "License ending 4821\\nexpires on 30 May 2026, \\"na\\u00efve\\" \\ud83d\\ude00"}'
        )

    @on_both
    def test_by_a_messaging_service(self, rig: Any) -> None:
        message = replace(rig.message, sender=SERVICE)
        outcome = rig.provider.send(message)
        (received,) = rig.double.messages()
        assert received.request["MessagingServiceSid"] == SERVICE
        assert "From" not in received.request
        assert received.message_id == outcome.message_id

    @on_sms
    def test_without_a_callback(self, rig: Any) -> None:
        TwilioSms(account(rig.double.url, 10, callback=None)).send(SMS)
        (received,) = rig.double.messages()
        assert "StatusCallback" not in received.request

    @on_sms
    @pytest.mark.parametrize("token", [SECRETS["twilio-sms"], f" {SECRETS['twilio-sms']}\r\n"])
    def test_headers(self, rig: Any, token: str) -> None:
        seen = []

        def look(exchange: Exchange) -> None:
            seen.append(exchange.read().headers)
            exchange.reset()

        rig.faults.inject(look)
        TwilioSms(replace(account(rig.double.url, 10), auth_token=token)).send(SMS)
        (headers,) = seen
        assert headers["Content-Type"] == "application/x-www-form-urlencoded"
        assert headers["Accept"] == "application/json"
        assert headers["User-Agent"].startswith("twilio-python/")
        assert isinstance(rig.provider.send(SMS), Accepted)

    @on_sms
    def test_nothing_of_the_environment(
        self, rig: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        for name, value in {
            "ACCOUNT_SID": "ACx",
            "AUTH_TOKEN": "x",
            "REGION": "ie1",
            "EDGE": "dublin",
        }.items():
            monkeypatch.setenv(f"TWILIO_{name}", value)
        netrc = tmp_path / "netrc"
        netrc.write_text("machine 127.0.0.1 login ACx password x\n")
        monkeypatch.setenv("NETRC", str(netrc))
        assert isinstance(rig.provider.send(SMS), Accepted)

    def test_the_account_keeps_its_token_to_itself(self) -> None:
        assert SECRETS["twilio-sms"] not in repr(account("https://api.twilio.com", 10))


@on_both
@pytest.mark.parametrize(
    "number",
    [
        "hello",
        "",
        "12125550134",
        "+02125550134",
        "+1 212 555 0134",
        "+1" + "2" * 15,
        "+1\u0662\u0661\u0662",
        "+12125550134\n",
    ],
)
def test_a_number_is_checked_before_anything_leaves(rig: Any, number: str, closed_port: int) -> None:
    provider = rig.provider_at(f"http://127.0.0.1:{closed_port}", TIMEOUT)
    assert provider.send(replace(rig.message, to=number)) == Rejected(f"{provider.name}:not-e164")


class TestErrorCodes:
    @on_both
    @pytest.mark.parametrize("code", sorted(PERMANENT))
    def test_never_again(self, rig: Any, code: int) -> None:
        outcome = rig.provider.send(replace(rig.message, to=magic_number(code)))
        assert outcome == Rejected(f"{rig.provider.name}:{code}")
        assert rig.double.messages() == []

    @on_sms
    @pytest.mark.parametrize("code", [21211, 21610, 21614, 21635, 30004, 30005, 30006, 30007, 30034, 63016])
    def test_the_known_ones_are_among_them(self, rig: Any, code: int) -> None:
        assert rig.provider.send(replace(SMS, to=magic_number(code))) == Rejected(f"twilio-sms:{code}")

    @on_both
    @pytest.mark.parametrize("code", sorted(LATER))
    def test_later(self, rig: Any, code: int) -> None:
        outcome = rig.provider.send(replace(rig.message, to=magic_number(code)))
        assert outcome == RetrySafe(f"{rig.provider.name}:{code}", LATER[code])

    @on_both
    @pytest.mark.parametrize("code", sorted(OURS))
    def test_once_an_operator_has_put_it_right(self, rig: Any, code: int) -> None:
        outcome = rig.provider.send(replace(rig.message, to=magic_number(code)))
        assert outcome == RetrySafe(f"{rig.provider.name}:{code}")

    def test_every_code_has_one_meaning(self) -> None:
        codes = [*PERMANENT, *LATER, *OURS]
        assert len(codes) == len(set(codes))

    @on_sms
    def test_too_many_requests(self, rig: Any) -> None:
        body = {"code": 20429, "message": "Too Many Requests", "status": 429}
        rig.faults.inject(faults.answer(429, body=body, headers={"Retry-After": "4"}))
        assert rig.provider.send(SMS) == RetrySafe("twilio-sms:20429", timedelta(seconds=4))

    @on_sms
    def test_what_twilio_asks_for_goes_before_our_guess(self, rig: Any) -> None:
        rig.faults.inject(
            faults.answer(400, body={"code": 21611, "message": ""}, headers={"Retry-After": "2"})
        )
        assert rig.provider.send(SMS) == RetrySafe("twilio-sms:21611", timedelta(seconds=2))

    @on_sms
    def test_by_the_newer_problem_details(self, rig: Any) -> None:
        body = {"type": "https://x", "title": "no", "status": 400, "code": 21610, "detail": "+12125550134"}
        rig.faults.inject(faults.answer(400, body=body))
        assert rig.provider.send(SMS) == Rejected("twilio-sms:21610")

    @on_sms
    @pytest.mark.parametrize("code", [12_125_550_134, 0, -1, True, "21610", None, [], {"a": 1}, 2.5])
    def test_a_code_that_is_none_is_left_out(self, rig: Any, code: object) -> None:
        rig.faults.inject(faults.answer(400, body={"code": code, "message": ""}))
        assert rig.provider.send(SMS) == Rejected("twilio-sms:400")

    @on_sms
    @pytest.mark.parametrize("status", [500, 503])
    def test_a_permanent_code_does_not_vouch_for_a_broken_server(self, rig: Any, status: int) -> None:
        rig.faults.inject(faults.answer(status, body={"code": 21610, "message": ""}))
        assert rig.provider.send(SMS) == Unknown(f"twilio-sms:{status}")

    @on_sms
    def test_wrong_credentials(self, rig: Any) -> None:
        provider = TwilioSms(replace(account(rig.double.url, 10), auth_token="other"))
        assert provider.send(SMS) == RetrySafe("twilio-sms:20003")
        assert provider.probe(rig.sought(SMS)) == Unknown("twilio-sms:401")

    @on_sms
    @pytest.mark.parametrize("code", [30008, None, "text"])
    def test_a_failure_that_is_not_explained(self, rig: Any, code: object) -> None:
        body = {"sid": "SM" + "a" * 32, "status": "undelivered", "error_code": code}
        rig.faults.inject(faults.answer(201, body=body))
        assert rig.provider.send(SMS) == RetrySafe(f"twilio-sms:{code if code == 30008 else 'failed'}")


@on_sms
@pytest.mark.parametrize(
    ("status", "body"),
    [
        (201, {}),
        (201, []),
        (201, {"sid": None}),
        (201, {"sid": "+12125550134"}),
        (201, {"sid": ["SM"]}),
        (201, {"sid": "SM" + "a" * 32, "status": ["queued"]}),
        (201, {"sid": "SM" + "a" * 32, "date_created": 7}),
        (200, {"sid": "SM" + "a" * 32}),
        (204, None),
    ],
)
def test_an_answer_that_names_no_message_is_no_acceptance(rig: Any, status: int, body: object) -> None:
    rig.faults.inject(faults.answer(status, body=body))
    assert rig.provider.send(SMS) == Unknown(f"twilio-sms:{status}:unconfirmed")


def page(*messages: object, following: str | None = None) -> Fault:
    return faults.answer(200, body={"messages": messages, "next_page_uri": following})


def listed(at: datetime, body: object = TEXT, sid: object = "SM" + "a" * 32) -> dict[str, object]:
    return {"sid": sid, "status": "sent", "body": body, "date_created": format_datetime(at)}


class TestProbe:
    @on_both
    def test_nothing_sent(self, rig: Any) -> None:
        assert rig.provider.probe(rig.sought(rig.message)) == NotFound()

    @on_both
    def test_found_under_the_same_id(self, rig: Any) -> None:
        outcome = rig.provider.send(rig.message)
        assert rig.provider.probe(rig.sought(rig.message)) == outcome

    @on_both
    def test_other_text_to_the_same_person(self, rig: Any) -> None:
        rig.provider.send(rig.vendor.with_text(rig.message, "something else"))
        assert rig.provider.probe(rig.sought(rig.message)) == NotFound()

    @on_both
    @pytest.mark.parametrize("changed", [{"to": "+12125550135"}, {"sender": "+12015550198"}])
    def test_the_same_text_between_others(self, rig: Any, changed: dict[str, str]) -> None:
        rig.provider.send(replace(rig.message, **changed))
        assert rig.provider.probe(rig.sought(rig.message)) == NotFound()

    @on_both
    def test_the_channels_are_kept_apart(self, rig: Any) -> None:
        rig.provider.send(rig.message)
        other = {"twilio-sms": "whatsapp:+12125550134"}.get(rig.provider.name, "12125550134")
        assert rig.provider.probe(replace(rig.sought(rig.message), to=other)) == NotFound()

    @on_both
    @pytest.mark.parametrize("minutes", [-6, 6, 60])
    def test_the_same_text_at_another_time_is_another_message(self, rig: Any, minutes: int) -> None:
        rig.provider.send(rig.message)
        since = rig.clock.now - timedelta(minutes=minutes)
        assert rig.provider.probe(rig.sought(rig.message, since)) == NotFound()

    @on_both
    @pytest.mark.parametrize("seconds", [-90, -0.5, 0, 0.5, 70])
    def test_clocks_may_differ_and_twilio_counts_whole_seconds(self, rig: Any, seconds: float) -> None:
        outcome = rig.provider.send(rig.message)
        since = rig.clock.now - timedelta(seconds=seconds)
        assert rig.provider.probe(rig.sought(rig.message, since)) == outcome

    @on_both
    def test_two_tries_of_the_same_text_are_told_apart(self, rig: Any) -> None:
        began = rig.clock.now
        first = rig.provider.send(rig.message)
        rig.clock.now += timedelta(minutes=30)
        second = rig.provider.send(rig.message)
        assert rig.provider.probe(rig.sought(rig.message, began)) == first
        assert rig.provider.probe(rig.sought(rig.message)) == second

    @on_both
    def test_a_failed_one_has_not_left(self, rig: Any) -> None:
        message = replace(rig.message, to=magic_number(30003))
        rig.provider.send(message)
        assert rig.provider.probe(rig.sought(message)) == NotFound()

    @on_both
    def test_without_its_text_it_can_not_be_told(self, rig: Any) -> None:
        rig.provider.send(rig.message)
        sought = replace(rig.sought(rig.message), body_sha256=None)
        assert rig.provider.probe(sought) == Unknown(f"{rig.provider.name}:no-body")

    @on_sms
    def test_from_whatever_number_where_none_was_kept(self, rig: Any) -> None:
        outcome = rig.provider.send(SMS)
        assert rig.provider.probe(replace(rig.sought(SMS), sender=None)) == outcome

    @on_sms
    def test_pages_are_followed(self, rig: Any) -> None:
        outcome = rig.provider.send(SMS)
        following = f"{MESSAGES}?To=%2B12125550134&From=%2B12015550199&PageSize=1000"
        rig.faults.inject(page(listed(rig.clock.now, "other"), following=following))
        assert rig.provider.probe(rig.sought(SMS)) == outcome

    @on_sms
    def test_up_to_a_bound(self, rig: Any) -> None:
        rig.faults.inject(*(page(following=MESSAGES) for _ in range(3)))
        assert rig.provider.probe(rig.sought(SMS)) == Unknown("twilio-sms:TooManyMessages")

    @on_sms
    def test_within_one_deadline_over_all_pages(self, rig: Any) -> None:
        def slow(exchange: Exchange) -> None:
            exchange.stopping.wait(TIMEOUT * 0.8)
            page(following=MESSAGES)(exchange)

        rig.faults.inject(slow, slow, slow)
        found = rig.provider_at(rig.double.url, TIMEOUT).probe(rig.sought(SMS))
        assert found == Unknown("twilio-sms:TimeoutError")

    @on_sms
    def test_a_page_elsewhere_does_not_take_the_credentials_along(self, rig: Any) -> None:
        outcome = rig.provider.send(SMS)
        elsewhere = {
            "messages": [],
            "meta": {"key": "messages", "next_page_url": f"https://x.invalid{MESSAGES}"},
        }
        rig.faults.inject(faults.answer(200, body=elsewhere))
        assert rig.provider.probe(rig.sought(SMS)) == outcome

    @on_sms
    @pytest.mark.parametrize("body", ["", None])
    def test_a_text_that_is_withheld_might_be_ours(self, rig: Any, body: object) -> None:
        rig.faults.inject(page(listed(rig.clock.now, body)))
        assert rig.provider.probe(rig.sought(SMS)) == Unknown("twilio-sms:no-text")
        rig.faults.inject(page(listed(rig.clock.now - timedelta(days=1), body)))
        assert rig.provider.probe(rig.sought(SMS)) == NotFound()
        rig.faults.inject(page(listed(rig.clock.now, body), listed(rig.clock.now)))
        assert rig.provider.probe(rig.sought(SMS)) == Accepted("SM" + "a" * 32)

    @on_sms
    def test_by_a_messaging_service(self, rig: Any) -> None:
        message = replace(SMS, sender=SERVICE)
        outcome = rig.provider.send(message)
        assert rig.provider.probe(rig.sought(message)) == outcome

    @on_whatsapp
    def test_a_template_by_a_messaging_service_is_listed_without_its_text(self, rig: Any) -> None:
        message = replace(WHATSAPP, sender=SERVICE)
        assert rig.provider.probe(rig.sought(message)) == NotFound()
        rig.provider.send(message)
        assert rig.provider.probe(rig.sought(message)) == Unknown("twilio-whatsapp:no-text")

    @on_sms
    @pytest.mark.parametrize("sid", [None, "", "+12125550134", 7])
    def test_a_message_without_a_name_is_no_proof(self, rig: Any, sid: object) -> None:
        rig.faults.inject(page(listed(rig.clock.now, sid=sid)))
        assert isinstance(rig.provider.probe(rig.sought(SMS)), Unknown)

    @on_both
    @pytest.mark.parametrize(
        "fault",
        [
            *NO_ANSWER,
            *(
                faults.answer(200, body=body)
                for body in (
                    *({"other": []}, {"messages": None}, {"messages": [1]}, {"messages": [{}]}),
                    {"messages": [{"date_created": "yesterday", "status": "sent"}]},
                    {"messages": [], "next_page_uri": 7},
                )
            ),
        ],
    )
    def test_no_answer_is_not_not_found(self, rig: Any, fault: Fault) -> None:
        rig.provider.send(rig.message)
        rig.faults.inject(fault)
        found = rig.provider_at(rig.double.url, TIMEOUT).probe(rig.sought(rig.message))
        assert isinstance(found, Unknown)

    @on_both
    def test_refused_connection(self, rig: Any, closed_port: int) -> None:
        provider = rig.provider_at(f"http://127.0.0.1:{closed_port}", TIMEOUT)
        assert provider.probe(rig.sought(rig.message)) == Unknown(f"{provider.name}:ConnectionRefusedError")
