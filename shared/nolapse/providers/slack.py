"""Notices to operators by a Slack incoming webhook, as Block Kit.

https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
https://docs.slack.dev/reference/block-kit/blocks
"""

from collections.abc import Iterator
from http import HTTPStatus
from itertools import islice
from typing import Any

from nolapse.domain.messages import Notice, Sought
from nolapse.domain.outcomes import Outcome, ProbeResult, Rejected, Unknown
from nolapse.providers.deadline_transport import Answer
from nolapse.providers.incoming_webhook import IncomingWebhook

_BLOCKS = 50
_HEADER = 150
_SECTION = 3000
_FIELDS = 10
_FIELD = 2000


class Slack:
    name = "slack"

    def __init__(self, url: str, timeout: float) -> None:
        self._webhook = IncomingWebhook(self.name, url, timeout, _took)

    def send(self, notice: Notice) -> Outcome:
        blocks = list(_blocks(notice))
        if len(blocks) > _BLOCKS:
            return Rejected(f"{self.name}:too-large")
        # Notifications show the text, channels the blocks.
        return self._webhook.post(notice.key, {"text": _escaped(notice.title), "blocks": blocks})

    def probe(self, _sought: Sought) -> ProbeResult:
        return Unknown(f"{self.name}:no-probe")


def _took(answer: Answer) -> bool:
    return answer.status == HTTPStatus.OK and answer.body.strip() == b"ok"


def _blocks(notice: Notice) -> Iterator[dict[str, Any]]:
    yield {"type": "header", "text": _plain(notice.title, _HEADER)}
    for start in range(0, len(notice.text), _SECTION):
        yield {"type": "section", "text": _plain(notice.text[start : start + _SECTION], _SECTION)}
    facts = (_plain(f"{name}\n{value}", _FIELD) for name, value in notice.facts.items())
    while fields := list(islice(facts, _FIELDS)):
        yield {"type": "section", "fields": fields}
    if notice.link:
        button = {"type": "button", "text": _plain("Open", _HEADER), "url": notice.link}
        yield {"type": "actions", "elements": [button]}


def _plain(text: str, limit: int) -> dict[str, Any]:
    """Plain text knows no mark-up, so nothing needs to be escaped."""
    return {
        "type": "plain_text",
        "text": text if len(text) <= limit else text[: limit - 1] + "…",
        "emoji": False,
    }


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
