"""What a receipt says of its address; and whose webhooks are served."""

from datetime import UTC, datetime

import pytest

from local.doubles.webhooks import SendGridWebhook
from nolapse.domain.errors import InvalidSignature
from nolapse.domain.receipts import Receipt, ReceiptKind, Suppression
from nolapse.runtime.webhooks import Webhook, Webhooks

NOW = datetime(2026, 10, 26, 12, tzinfo=UTC)


def receipt(kind: ReceiptKind, code: str | None = None, address: str | None = None) -> Receipt:
    return Receipt("vendor", "event", "message", None, None, kind, code, NOW, address)


@pytest.mark.parametrize(
    ("code", "suppresses"),
    [
        ("sendgrid:bounce", Suppression.HARD_BOUNCE),
        ("sendgrid:bounce:invalid-address", Suppression.HARD_BOUNCE),
        ("sendgrid:blocked:content", None),
        ("sendgrid:blocked", None),
        ("sendgrid:dropped", None),
        ("sendgrid:dropped:spam-content", None),
        ("sendgrid:dropped:spam-reporting-address", Suppression.COMPLAINT),
        ("mailgun:permanent:550", Suppression.HARD_BOUNCE),
        ("mailgun:permanent:605", Suppression.HARD_BOUNCE),
        ("mailgun:permanent:552", None),
        ("mailgun:rejected", None),
        ("twilio-sms:30003", None),
        ("twilio-sms:30005", Suppression.HARD_BOUNCE),
        ("twilio-sms:30007", None),
        ("twilio-sms:21610", Suppression.STOP),
        (None, None),
    ],
)
def test_a_bounce_says_something_of_the_address_or_of_this_message_alone(
    code: str | None, suppresses: Suppression | None
) -> None:
    assert receipt(ReceiptKind.BOUNCED, code).suppresses is suppresses


@pytest.mark.parametrize(
    ("said", "suppresses"),
    [
        (receipt(ReceiptKind.DELIVERED), None),
        (receipt(ReceiptKind.DEFERRED, "mailgun:temporary:550"), None),
        (receipt(ReceiptKind.COMPLAINED), Suppression.COMPLAINT),
        (receipt(ReceiptKind.UNSUBSCRIBED), Suppression.UNSUBSCRIBED),
        (receipt(ReceiptKind.UNSUBSCRIBED, address="+12125550123"), Suppression.STOP),
        (receipt(ReceiptKind.RESUBSCRIBED, address="+12125550123"), None),
    ],
)
def test_what_people_say(said: Receipt, suppresses: Suppression | None) -> None:
    assert said.suppresses is suppresses


@pytest.mark.parametrize("vendor", ["sendgrid", "mailgun", "twilio"])
@pytest.mark.parametrize("key", ["", " \n"])
def test_an_empty_key_is_refused_before_anything_is_served(vendor: str, key: str) -> None:
    with pytest.raises(ValueError, match=f"empty: {vendor}; leave out the vendor"):
        Webhooks({vendor: key}, "https://nolapse.test")


def test_a_key_of_sendgrid_that_is_none_is_refused_too() -> None:
    with pytest.raises(ValueError, match="sendgrid's verification key is no public key"):
        Webhooks({"sendgrid": "bm8ga2V5"}, "https://nolapse.test")


def test_a_key_of_nobody_we_know_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="sendgird"):
        Webhooks({"sendgird": "key"}, "https://nolapse.test")


@pytest.mark.parametrize("vendor", ["mailgun", "twilio"])
def test_a_vendor_without_a_key_is_not_believed(vendor: str) -> None:
    webhooks = Webhooks({"sendgrid": SendGridWebhook().public_key}, "https://nolapse.test")

    with pytest.raises(InvalidSignature):
        webhooks.receipts(Webhook(vendor, "", {}, b"{}"), NOW)
