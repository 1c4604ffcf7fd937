"""What vendors say later about what they took: POST /webhooks/{vendor}."""

from base64 import b64decode
from datetime import timedelta
from http import HTTPStatus
from typing import Any

from nolapse.delivery.receipts import take_receipts
from nolapse.runtime.bootstrap import runtime
from nolapse.runtime.observability import logger, publish
from nolapse.runtime.webhooks import REFUSALS, VENDORS, Webhook, refusal


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    made = runtime()
    now = made.clock.now()
    vendor, body = event["pathParameters"]["vendor"], event.get("body", "")
    if vendor not in VENDORS:
        return {"statusCode": HTTPStatus.NOT_FOUND}
    raw_body = b64decode(body) if event["isBase64Encoded"] else body.encode()
    call = Webhook(vendor, event["rawQueryString"], event["headers"], raw_body)
    try:
        receipts = made.webhooks.receipts(call, now)
    except REFUSALS as error:
        # Its kind alone: a stranger's request may say anything.
        logger().warning("webhook.refused", vendor=vendor, kind=type(error).__name__)
        publish("provider_webhooks", {"receipts_refused": 1})
        return {"statusCode": refusal(call, error)}
    late_since = now - timedelta(days=made.settings.lookback_days)
    counts = take_receipts(made.engine, receipts, now=now, late_since=late_since)
    logger().info("webhook.taken", vendor=vendor, counts=dict(counts))
    made.meter.flush(made.engine)
    publish("provider_webhooks", counts)
    return {"statusCode": HTTPStatus.OK}
