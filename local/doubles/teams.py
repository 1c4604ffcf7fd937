"""A Workflows webhook of Microsoft Teams on loopback: takes messages with an Adaptive Card.

https://learn.microsoft.com/en-us/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using
https://adaptivecards.io/explorer/
"""

import json
from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

from local.doubles.double import Double, json_object
from local.doubles.received import ReceivedNotice
from local.doubles.server import Fault, Reply, Request
from local.doubles.store import Taken

_PATH = "/powerautomate/automations/direct/workflows/double/triggers/manual/paths/invoke"
_MAX_BYTES = 28 * 1024


class TeamsDouble(Double):
    """`url` is the webhook's, with its secret as the signature in its query."""

    def __init__(
        self,
        store: Path,
        clock: Callable[[], datetime],
        faults: Callable[[], Fault | None] = lambda: None,
        *,
        secret: str,
    ) -> None:
        super().__init__(store, clock, faults)
        self._path = f"{_PATH}?api-version=1&sig={secret}"

    def messages(self) -> list[ReceivedNotice]:
        return [_notice(taken) for taken in self._store.all()]

    def _route(self, request: Request) -> Reply:
        if request.method != "POST":
            return _error(HTTPStatus.METHOD_NOT_ALLOWED, "HttpMethodNotAllowed")
        if request.path != self._path:
            return _error(HTTPStatus.UNAUTHORIZED, "DirectApiAuthorizationRequired")
        if len(request.body) > _MAX_BYTES:
            return _error(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "RequestEntityTooLarge")
        document = json_object(request)
        if document is None or not _is_message(document):
            return _error(HTTPStatus.BAD_REQUEST, "TriggerInputSchemaMismatch")
        self._keep(document)
        return Reply(HTTPStatus.ACCEPTED)


def _is_message(document: Any) -> bool:
    match document:
        case {
            "type": "message",
            "attachments": [
                {
                    "contentType": "application/vnd.microsoft.card.adaptive",
                    "contentUrl": None,
                    "content": card,
                }
            ],
        }:
            return _is_card(card)
    return False


def _is_card(card: Any) -> bool:
    match card:
        case {"type": "AdaptiveCard", "version": "1.4" | "1.5", "body": [_, *_] as body}:
            return all(map(_is_element, body)) and all(map(_is_action, card.get("actions", [])))
    return False


def _is_element(element: Any) -> bool:
    match element:
        case {"type": "TextBlock", "text": str()}:
            return True
        case {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": str()}]}:
            return True
        case {"type": "FactSet", "facts": [_, *_] as facts}:
            return all(
                set(map(type, fact.values())) == {str} and set(fact) == {"title", "value"} for fact in facts
            )
    return False


def _is_action(action: Any) -> bool:
    match action:
        case {"type": "Action.OpenUrl", "title": str(), "url": str(url)}:
            return url.startswith(("http://", "https://"))
    return False


def _notice(taken: Taken) -> ReceivedNotice:
    document = json.loads(taken.request)
    card = document["attachments"][0]["content"]
    title, text, *rest = card["body"]
    return ReceivedNotice(
        title=title["inlines"][0]["text"],
        text=text["inlines"][0]["text"],
        facts={fact["title"]: fact["value"] for element in rest for fact in element["facts"]},
        link=next((action["url"] for action in card.get("actions", [])), None),
        received_at=taken.received_at,
        request=document,
    )


def _error(status: HTTPStatus, code: str) -> Reply:
    return Reply(status, {"error": {"code": code, "message": code}})
