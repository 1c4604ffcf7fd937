"""Signed as the SDK signs, read as Twilio documents."""

import base64
import hmac
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator

from nolapse.domain.errors import InvalidSignature
from nolapse.domain.receipts import Receipt, ReceiptKind
from nolapse.providers.twilio_events import receipts

TOKEN = "2e8c1a5f0b7d4c3e9a6f2b1c0d4e8f7a"
SID = "SM" + "a" * 32
URL = f"https://api.nolapse.example/receipts/twilio?key={'5f' * 32}&attempt=0198f0c2-7d1a-7c3e-9b7e-3a1f6f0c2d4e"
INBOUND = "https://api.nolapse.example/receipts/twilio"
NOW = datetime(2026, 3, 1, 14, tzinfo=UTC)
STATUS = {
    "AccountSid": "AC" + "7" * 32,
    "MessageSid": SID,
    "SmsSid": SID,
    "MessageStatus": "delivered",
    "SmsStatus": "delivered",
    "To": "+12125550134",
    "From": "+12015550199",
    "ApiVersion": "2010-04-01",
}
ANSWER = {
    "AccountSid": "AC" + "7" * 32,
    "MessageSid": SID,
    "SmsStatus": "received",
    "From": "+12125550134",
    "To": "+12015550199",
    "Body": "STOP",
    "NumMedia": "0",
    "FromCity": "",
}
DELIVERED = Receipt(
    provider="twilio-sms",
    event_id=f"{SID}:delivered",
    provider_message_id=SID,
    attempt_id="0198f0c2-7d1a-7c3e-9b7e-3a1f6f0c2d4e",
    key="5f" * 32,
    kind=ReceiptKind.DELIVERED,
    code=None,
    at=NOW,
)
STOPPED = Receipt(
    provider="twilio-sms",
    event_id=f"{SID}:received",
    provider_message_id=SID,
    attempt_id=None,
    key=None,
    kind=ReceiptKind.UNSUBSCRIBED,
    code="twilio-sms:STOP",
    at=NOW,
    address="+12125550134",
)

# Surrogates have no UTF-8, so they can't come over the wire.
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
FIELDS = st.dictionaries(TEXT.filter(bool), TEXT)


def signed(url: str, fields: Mapping[str, str]) -> dict[str, str]:
    return {"x-twilio-signature": RequestValidator(TOKEN).compute_signature(url, dict(fields))}


def received(fields: Mapping[str, str], url: str = INBOUND) -> list[Receipt]:
    return list(receipts(url, signed(url, fields), urlencode(fields).encode(), TOKEN, NOW))


class TestStatus:
    @pytest.mark.parametrize(
        ("status", "kind"),
        [
            ("delivered", ReceiptKind.DELIVERED),
            ("read", ReceiptKind.DELIVERED),
            ("undelivered", ReceiptKind.BOUNCED),
            ("failed", ReceiptKind.BOUNCED),
            *(
                (status, ReceiptKind.OTHER)
                for status in (
                    "accepted",
                    "queued",
                    "sending",
                    "sent",
                    "canceled",
                    "partially_delivered",
                    "new",
                )
            ),
        ],
    )
    def test_kind(self, status: str, kind: ReceiptKind) -> None:
        (receipt,) = received({**STATUS, "MessageStatus": status}, URL)
        assert receipt == replace(DELIVERED, event_id=f"{SID}:{status}", kind=kind)

    def test_the_same_status_twice_is_one_event(self) -> None:
        first, second = (received({**STATUS, "RawDlrDoneDate": date}, URL)[0] for date in ("2603011400", ""))
        assert first.event_id == second.event_id

    @pytest.mark.parametrize(
        ("error", "code"),
        [("30003", "twilio-sms:30003"), ("", None), ("12125550134", None), ("+1212", None), ("٣٠٠٠٣", None)],
    )
    def test_code(self, error: str, code: str | None) -> None:
        (receipt,) = received({**STATUS, "MessageStatus": "undelivered", "ErrorCode": error}, URL)
        assert receipt.code == code

    def test_of_whatsapp(self) -> None:
        (receipt,) = received({**STATUS, "To": "whatsapp:+12125550134"}, URL)
        assert receipt == replace(DELIVERED, provider="twilio-whatsapp")

    def test_without_our_query(self) -> None:
        assert received(STATUS) == [replace(DELIVERED, attempt_id=None, key=None)]

    @pytest.mark.parametrize("sid", ["", "CA" + "a" * 32, "+12125550134"])
    def test_of_no_message(self, sid: str) -> None:
        assert received({**STATUS, "MessageSid": sid}) == []


class TestAnswer:
    @pytest.mark.parametrize(
        "body",
        [
            "STOP",
            "stop",
            " Stop.\n",
            "STOPALL",
            "Unsubscribe",
            "cancel",
            "END",
            "quit",
            "OptOut",
            "revoke!",
            '"STOP"',
        ],
    )
    def test_stop(self, body: str) -> None:
        assert received({**ANSWER, "Body": body}) == [STOPPED]

    @pytest.mark.parametrize("body", ["START", "yes", "Unstop "])
    def test_start(self, body: str) -> None:
        assert received({**ANSWER, "Body": body}) == [
            replace(STOPPED, kind=ReceiptKind.RESUBSCRIBED, code="twilio-sms:START")
        ]

    @pytest.mark.parametrize(
        "body", ["", "HELP", "don't stop", "Stop by at 4821", "stop it", "...", "когда?"]
    )
    def test_anything_else_says_nothing(self, body: str) -> None:
        assert received({**ANSWER, "Body": body}) == []

    @pytest.mark.parametrize(
        ("body", "named", "code"),
        [
            ("BAJA", "STOP", "twilio-sms:STOP"),
            ("ALTA", "START", "twilio-sms:START"),
            ("STOP", "START", "twilio-sms:START"),
        ],
    )
    def test_twilio_knows_the_tenants_own_words(self, body: str, named: str, code: str) -> None:
        (receipt,) = received({**ANSWER, "Body": body, "OptOutType": named})
        assert receipt.code == code

    def test_a_call_for_help_is_twilios_to_answer(self) -> None:
        assert received({**ANSWER, "Body": "STOP", "OptOutType": "HELP"}) == []

    def test_of_whatsapp(self) -> None:
        (receipt,) = received({**ANSWER, "From": "whatsapp:+12125550134"})
        assert receipt == replace(STOPPED, provider="twilio-whatsapp", code="twilio-whatsapp:STOP")

    def test_the_number_is_never_shown(self) -> None:
        (receipt,) = received(ANSWER)
        assert receipt.address == "+12125550134"
        assert "2125550134" not in repr(receipt)


class TestSignature:
    @given(FIELDS)
    def test_whatever_is_signed_is_read(self, fields: dict[str, str]) -> None:
        assert len(received({**fields, **STATUS}, URL)) == 1

    @given(FIELDS, TEXT, TEXT)
    def test_a_field_that_was_changed_or_added(self, fields: dict[str, str], name: str, value: str) -> None:
        signature = signed(URL, {**fields, **STATUS})
        altered = {**fields, **STATUS, name or "x": value}
        if altered == {**fields, **STATUS}:
            return
        with pytest.raises(InvalidSignature):
            receipts(URL, signature, urlencode(altered).encode(), TOKEN, NOW)

    @given(st.binary(), st.dictionaries(st.sampled_from(["X-Twilio-Signature", "Host"]), TEXT))
    def test_anything_that_is_not_signed(self, body: bytes, headers: dict[str, str]) -> None:
        with pytest.raises(InvalidSignature):
            receipts(URL, headers, body, TOKEN, NOW)

    @pytest.mark.parametrize(
        "url", [URL.replace("https", "http"), URL.replace("key=5f", "key=00"), INBOUND, URL + "&a=b"]
    )
    def test_another_url(self, url: str) -> None:
        with pytest.raises(InvalidSignature):
            receipts(url, signed(URL, STATUS), urlencode(STATUS).encode(), TOKEN, NOW)

    def test_another_token(self) -> None:
        with pytest.raises(InvalidSignature, match=r"^not signed by twilio$"):
            receipts(URL, signed(URL, STATUS), urlencode(STATUS).encode(), "another", NOW)

    def test_a_token_from_a_file(self) -> None:
        assert receipts(URL, signed(URL, STATUS), urlencode(STATUS).encode(), f"{TOKEN}\n", NOW) == (
            DELIVERED,
        )

    def test_by_a_port_or_without(self) -> None:
        url = URL.replace(".example/", ".example:443/")
        assert receipts(url, signed(URL, STATUS), urlencode(STATUS).encode(), TOKEN, NOW) == (DELIVERED,)

    @pytest.mark.parametrize(
        ("settings", "holds"),
        [
            ("key=webhooks_sharedkey_1,algorithm=HMAC_SHA256", True),
            ("key=webhooks_sharedkey_1,algorithm=HMAC_SHA1", False),
            ("key=webhooks_sharedkey_1,algorithm=NONE", False),
            ("", False),
        ],
    )
    def test_by_sha_256_where_twilio_says_so(self, settings: str, holds: bool) -> None:
        text = URL + "".join(name + STATUS[name] for name in sorted(STATUS))
        signature = base64.b64encode(hmac.digest(TOKEN.encode(), text.encode(), sha256)).decode()
        headers = {"X-Twilio-Signature": signature, "X-Twilio-Webhooks-Signature-Settings": settings}
        body = urlencode(STATUS).encode()
        if holds:
            assert receipts(URL, headers, body, TOKEN, NOW) == (DELIVERED,)
        else:
            with pytest.raises(InvalidSignature):
                receipts(URL, headers, body, TOKEN, NOW)

    def test_what_a_stranger_says_is_not_logged(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level("DEBUG")
        headers = {"X-Twilio-Webhooks-Signature-Settings": "key=1,algorithm=+12125550134"}
        with pytest.raises(InvalidSignature) as caught:
            receipts(URL, headers, urlencode(STATUS).encode(), TOKEN, NOW)
        assert "2125550134" not in caplog.text + str(caught.value)
