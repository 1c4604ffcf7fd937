"""Mailgun's receipts: what they come to, and that nothing unsigned or recorded passes."""

import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nolapse.domain.errors import InvalidSignature, MalformedReceipt, OutsideReplayWindow
from nolapse.domain.receipts import Receipt, ReceiptKind
from nolapse.providers.mailgun_events import receipts

KEY = "mailgun-signing-key"
NOW = datetime(2026, 3, 1, 14, tzinfo=UTC)
TOKEN = "e0b5477167110d68991efc6b9f89f0a11066af27834600e123"
OURS = {"key": "5f" * 32, "attempt_id": "0198f0c2-7d1a-7c3e-9b7e-3a1f6f0c2d4e"}


def signature(at: datetime = NOW) -> dict[str, str]:
    timestamp = str(int(at.timestamp()))
    signed = hmac.digest(KEY.encode(), f"{timestamp}{TOKEN}".encode(), "sha256").hex()
    return {"timestamp": timestamp, "token": TOKEN, "signature": signed}


def event(**fields: Any) -> dict[str, Any]:
    return {
        "event": "delivered",
        "id": "CPgfbmQMTCKtHW6uIWtuVe",
        "timestamp": NOW.timestamp() - 59.5,
        "log-level": "info",
        "recipient": "ana@clinic.example",
        "message": {
            "headers": {"to": "Ana", "message-id": "20260301140000.1@nolapse.example", "subject": "R"}
        },
        "delivery-status": {"code": 250, "message": "OK", "description": "ana@clinic.example"},
        "user-variables": OURS,
        **fields,
    }


def read(signed: object, of: object) -> list[Receipt]:
    return list(receipts({}, json.dumps({"signature": signed, "event-data": of}).encode(), KEY, NOW))


class TestWhatItSays:
    def test_a_receipt(self) -> None:
        assert read(signature(), event()) == [
            Receipt(
                provider="mailgun",
                event_id="2026-03-01:CPgfbmQMTCKtHW6uIWtuVe",
                provider_message_id="20260301140000.1@nolapse.example",
                attempt_id=OURS["attempt_id"],
                key=OURS["key"],
                kind=ReceiptKind.DELIVERED,
                code=None,
                at=NOW - timedelta(seconds=59.5),
            )
        ]

    @pytest.mark.parametrize(
        ("fields", "kind", "code"),
        [
            ({"event": "accepted"}, ReceiptKind.OTHER, None),
            ({"event": "an event of next year"}, ReceiptKind.OTHER, None),
            ({"event": "complained"}, ReceiptKind.COMPLAINED, None),
            ({"event": "unsubscribed"}, ReceiptKind.UNSUBSCRIBED, None),
            ({"event": "rejected"}, ReceiptKind.BOUNCED, "rejected"),
            (
                {"event": "failed", "severity": "permanent", "delivery-status": {"code": 605}},
                ReceiptKind.BOUNCED,
                "permanent:605",
            ),
            (
                {"event": "failed", "severity": "temporary", "delivery-status": {"code": 452}},
                ReceiptKind.DEFERRED,
                "temporary:452",
            ),
            (
                {"event": "failed", "severity": "permanent", "delivery-status": {"code": "550 ana"}},
                ReceiptKind.BOUNCED,
                "permanent",
            ),
            (
                {"event": "failed", "severity": "permanent", "delivery-status": None},
                ReceiptKind.BOUNCED,
                "permanent",
            ),
            ({"event": "failed", "severity": "ana@clinic.example"}, ReceiptKind.OTHER, None),
        ],
    )
    def test_kinds_and_codes(self, fields: dict[str, Any], kind: ReceiptKind, code: str | None) -> None:
        (receipt,) = read(signature(), event(**fields))
        assert (receipt.kind, receipt.code) == (kind, code and f"mailgun:{code}")

    def test_a_message_that_is_not_ours_has_no_key(self) -> None:
        (receipt,) = read(signature(), event(**{"user-variables": {}}))
        assert (receipt.key, receipt.attempt_id) == (None, None)

    def test_nothing_of_a_person_is_in_it(self) -> None:
        assert "ana" not in repr(read(signature(), event(event="failed", severity="permanent"))).casefold()

    @pytest.mark.parametrize(
        "of", [None, [], {}, {"event": "opened"}, event(timestamp="x"), event(message=None)]
    )
    def test_another_shape(self, of: object) -> None:
        with pytest.raises(MalformedReceipt):
            read(signature(), of)


class TestSignature:
    @given(st.sampled_from(["timestamp", "token", "signature"]), st.data())
    def test_no_character_of_what_is_signed_may_change(self, name: str, data: st.DataObject) -> None:
        signed = signature()
        place = data.draw(st.integers(0, len(signed[name]) - 1))
        other = data.draw(st.characters().filter(lambda character: character != signed[name][place]))
        signed[name] = signed[name][:place] + other + signed[name][place + 1 :]
        with pytest.raises(InvalidSignature):
            read(signed, event())

    @given(st.integers(0, 9), st.integers(0, 10))
    def test_the_seam_between_timestamp_and_token_may_not_move(self, kept: int, taken: int) -> None:
        signed = signature()
        whole = signed["timestamp"] + signed["token"]
        seam = kept if taken == 0 else len(signed["timestamp"]) + taken
        with pytest.raises(InvalidSignature):
            read(signed | {"timestamp": whole[:seam], "token": whole[seam:]}, event())

    @pytest.mark.parametrize(
        "body", [b"", b"\xff", b"[]", b"{}", b'{"signature": null}', b'{"signature": {}}']
    )
    def test_without_one(self, body: bytes) -> None:
        with pytest.raises(InvalidSignature):
            receipts({}, body, KEY, NOW)

    def test_another_accounts_key(self) -> None:
        body = json.dumps({"signature": signature(), "event-data": event()}).encode()
        with pytest.raises(InvalidSignature):
            receipts({}, body, "another-key", NOW)


class TestReplay:
    @pytest.mark.parametrize("seconds", [-300, 0, 300])
    def test_within_five_minutes(self, seconds: int) -> None:
        assert read(signature(NOW + timedelta(seconds=seconds)), event())

    @pytest.mark.parametrize("seconds", [-301, 301, -86400])
    def test_outside(self, seconds: int) -> None:
        with pytest.raises(OutsideReplayWindow):
            read(signature(NOW + timedelta(seconds=seconds)), event())
