"""Notices to operators by a Workflows webhook of Microsoft Teams, as an Adaptive Card.

https://learn.microsoft.com/en-us/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using
https://learn.microsoft.com/en-us/microsoftteams/limits-specifications-teams
https://adaptivecards.io/explorer/
"""

from http import HTTPStatus
from typing import Any

from nolapse.domain.messages import Notice, Sought
from nolapse.domain.outcomes import Outcome, ProbeResult, Unknown
from nolapse.providers.deadline_transport import Answer
from nolapse.providers.incoming_webhook import IncomingWebhook

_MAX_BYTES = 28 * 1024


class Teams:
    name = "teams"

    def __init__(self, url: str, timeout: float) -> None:
        self._webhook = IncomingWebhook(self.name, url, timeout, _took)

    def send(self, notice: Notice) -> Outcome:
        return self._webhook.post(notice.key, _message(notice), limit=_MAX_BYTES)

    def probe(self, _sought: Sought) -> ProbeResult:
        return Unknown(f"{self.name}:no-probe")


def _took(answer: Answer) -> bool:
    """A workflow without a response of its own answers so once it is to run."""
    return answer.status == HTTPStatus.ACCEPTED


def _message(notice: Notice) -> dict[str, Any]:
    attachment = {
        "contentType": "application/vnd.microsoft.card.adaptive",
        "contentUrl": None,
        "content": _card(notice),
    }
    return {"type": "message", "attachments": [attachment]}


def _card(notice: Notice) -> dict[str, Any]:
    # Text blocks read Markdown, text runs do not: an id with underscores stays what it is.
    body: list[dict[str, Any]] = [
        _text(notice.title, size="Medium", weight="Bolder"),
        _text(notice.text),
    ]
    if notice.facts:
        facts = [{"title": name, "value": value} for name, value in notice.facts.items()]
        body.append({"type": "FactSet", "facts": facts})
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": body,
    }
    if notice.link:
        card["actions"] = [{"type": "Action.OpenUrl", "title": "Open", "url": notice.link}]
    return card


def _text(text: str, **style: str) -> dict[str, Any]:
    return {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": text, **style}]}
