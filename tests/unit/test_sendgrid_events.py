"""SendGrid's receipts: what they come to, and that nothing unsigned or recorded passes."""

import json
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from sendgrid.helpers.eventwebhook import EventWebhook

from nolapse.domain.errors import InvalidSignature, MalformedReceipt, OutsideReplayWindow
from nolapse.domain.receipts import Receipt, ReceiptKind
from nolapse.providers.sendgrid_events import receipts

KEY = ec.generate_private_key(ec.SECP256R1())
PUBLIC_KEY = b64encode(
    KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
).decode()
NOW = datetime(2026, 3, 1, 14, tzinfo=UTC)
SIGNATURE = "X-Twilio-Email-Event-Webhook-Signature"
TIMESTAMP = "X-Twilio-Email-Event-Webhook-Timestamp"
OURS = {"key": "5f" * 32, "attempt_id": "0198f0c2-7d1a-7c3e-9b7e-3a1f6f0c2d4e"}


def event(name: str, **fields: Any) -> dict[str, Any]:
    return {
        "email": "ana@clinic.example",
        "timestamp": int(NOW.timestamp()) - 60,
        "smtp-id": "<14c5d75ce93.dfd.64b469@ismtpd-555>",
        "event": name,
        "category": ["5f" * 32],
        "sg_event_id": "qK1MxfAaE_ukyyNsjxTpkw==",
        "sg_message_id": "rXZ3bV1aQ0m.recvd-5f9-1.0",
        **OURS,
        **fields,
    }


def signed(body: bytes, at: datetime = NOW) -> dict[str, str]:
    timestamp = str(int(at.timestamp()))
    signature = KEY.sign(timestamp.encode() + body, ec.ECDSA(hashes.SHA256()))
    return {SIGNATURE: b64encode(signature).decode(), TIMESTAMP: timestamp}


def read(*events: Any, at: datetime = NOW) -> list[Receipt]:
    body = json.dumps(events).encode()
    return list(receipts(signed(body, at), body, PUBLIC_KEY, NOW))


BODY = json.dumps([event("delivered", response="250 OK é")], ensure_ascii=False).encode()
HEADERS = signed(BODY)


class TestWhatItSays:
    def test_a_receipt(self) -> None:
        assert read(event("delivered", response="250 OK")) == [
            Receipt(
                provider="sendgrid",
                event_id="qK1MxfAaE_ukyyNsjxTpkw==:delivered",
                provider_message_id="rXZ3bV1aQ0m",
                attempt_id=OURS["attempt_id"],
                key=OURS["key"],
                kind=ReceiptKind.DELIVERED,
                code=None,
                at=NOW - timedelta(seconds=60),
            )
        ]

    @pytest.mark.parametrize(
        ("fields", "kind", "code"),
        [
            ({"event": "processed"}, ReceiptKind.OTHER, None),
            ({"event": "open"}, ReceiptKind.OTHER, None),
            ({"event": "an event of next year"}, ReceiptKind.OTHER, None),
            (
                {"event": "deferred", "response": "400 try ana@clinic.example"},
                ReceiptKind.DEFERRED,
                "deferred",
            ),
            ({"event": "spamreport"}, ReceiptKind.COMPLAINED, None),
            ({"event": "unsubscribe"}, ReceiptKind.UNSUBSCRIBED, None),
            ({"event": "group_unsubscribe"}, ReceiptKind.UNSUBSCRIBED, None),
            ({"event": "bounce"}, ReceiptKind.BOUNCED, "bounce"),
            (
                {"event": "bounce", "type": "bounce", "bounce_classification": "Invalid Address"},
                ReceiptKind.BOUNCED,
                "bounce:invalid-address",
            ),
            ({"event": "bounce", "type": "blocked", "reason": "550 ana"}, ReceiptKind.BOUNCED, "blocked"),
            ({"event": "bounce", "type": "ana@clinic.example"}, ReceiptKind.BOUNCED, "bounce"),
            ({"event": "bounce", "bounce_classification": ["ana"]}, ReceiptKind.BOUNCED, "bounce"),
            (
                {"event": "dropped", "reason": "Bounced Address"},
                ReceiptKind.BOUNCED,
                "dropped:bounced-address",
            ),
            ({"event": "dropped", "reason": "ana is gone"}, ReceiptKind.BOUNCED, "dropped"),
        ],
    )
    def test_kinds_and_codes(self, fields: dict[str, Any], kind: ReceiptKind, code: str | None) -> None:
        (receipt,) = read(event("") | fields)
        assert (receipt.kind, receipt.code) == (kind, code and f"sendgrid:{code}")

    def test_a_batch_keeps_its_order_and_tells_events_of_one_id_apart(self) -> None:
        batch = read(event("processed"), event("delivered"), event("open"))
        assert [receipt.event_id.rpartition(":")[2] for receipt in batch] == [
            "processed",
            "delivered",
            "open",
        ]

    def test_events_without_a_message_are_left_out(self) -> None:
        account = {"event": "account_status_change", "timestamp": 1709142428, "sg_event_id": "x"}
        assert len(read(account, event("delivered"))) == 1

    def test_a_message_that_is_not_ours_has_no_key(self) -> None:
        (receipt,) = read({name: value for name, value in event("delivered").items() if name not in OURS})
        assert (receipt.key, receipt.attempt_id) == (None, None)

    def test_nothing_of_a_person_is_in_it(self) -> None:
        assert "ana" not in repr(read(event("bounce", reason="550 ana@clinic.example", type="bounce")))

    @pytest.mark.parametrize(
        "events", [{}, "", None, [1], [{"sg_message_id": "x"}], [{**event("open"), "timestamp": "x"}]]
    )
    def test_another_shape(self, events: Any) -> None:
        body = json.dumps(events).encode()
        with pytest.raises(MalformedReceipt):
            receipts(signed(body), body, PUBLIC_KEY, NOW)


class TestSignature:
    def test_the_vendors_own_verifier_agrees(self) -> None:
        webhook = EventWebhook(PUBLIC_KEY)
        assert webhook.verify_signature(BODY.decode(), HEADERS[SIGNATURE], HEADERS[TIMESTAMP])
        assert receipts(HEADERS, BODY, PUBLIC_KEY, NOW)

    def test_header_names_are_read_as_gateways_write_them(self) -> None:
        assert receipts({name.lower(): value for name, value in HEADERS.items()}, BODY, PUBLIC_KEY, NOW)

    @given(st.integers(0, len(BODY) - 1), st.integers(1, 255))
    def test_no_byte_of_the_body_may_change(self, place: int, change: int) -> None:
        altered = bytearray(BODY)
        altered[place] ^= change
        with pytest.raises(InvalidSignature):
            receipts(HEADERS, bytes(altered), PUBLIC_KEY, NOW)

    @given(st.sampled_from([SIGNATURE, TIMESTAMP]), st.data())
    def test_no_byte_of_the_headers_may_change(self, name: str, data: st.DataObject) -> None:
        original = HEADERS[name]
        place = data.draw(st.integers(0, len(original) - 1))
        other = data.draw(
            st.characters(max_codepoint=255).filter(lambda character: character != original[place])
        )
        altered = original[:place] + other + original[place + 1 :]
        with pytest.raises(InvalidSignature):
            receipts({**HEADERS, name: altered}, BODY, PUBLIC_KEY, NOW)

    @pytest.mark.parametrize("name", [SIGNATURE, TIMESTAMP])
    def test_both_headers_are_wanted(self, name: str) -> None:
        with pytest.raises(InvalidSignature):
            receipts({other: HEADERS[other] for other in HEADERS if other != name}, BODY, PUBLIC_KEY, NOW)

    def test_another_accounts_signature(self) -> None:
        other = ec.generate_private_key(ec.SECP256R1())
        signature = other.sign(HEADERS[TIMESTAMP].encode() + BODY, ec.ECDSA(hashes.SHA256()))
        with pytest.raises(InvalidSignature):
            receipts({**HEADERS, SIGNATURE: b64encode(signature).decode()}, BODY, PUBLIC_KEY, NOW)


class TestReplay:
    @pytest.mark.parametrize("seconds", [-300, 0, 300])
    def test_within_five_minutes(self, seconds: int) -> None:
        assert read(event("open"), at=NOW + timedelta(seconds=seconds))

    @pytest.mark.parametrize("seconds", [-301, 301, -86400])
    def test_outside(self, seconds: int) -> None:
        with pytest.raises(OutsideReplayWindow):
            read(event("open"), at=NOW + timedelta(seconds=seconds))

    def test_the_window_is_a_choice(self) -> None:
        headers = signed(BODY, NOW - timedelta(hours=1))
        assert receipts(headers, BODY, PUBLIC_KEY, NOW, timedelta(hours=2))
