"""A Slack incoming webhook on loopback: takes Block Kit, refuses what Slack refuses, by Slack's own words.

https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
https://docs.slack.dev/reference/block-kit/blocks
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

_BLOCKS = 50
_HEADER = 150
_SECTION = 3000
_FIELDS = 10
_FIELD = 2000


class SlackDouble(Double):
    """`url` is the webhook's, with its secret as the last part of its path."""

    def __init__(
        self,
        store: Path,
        clock: Callable[[], datetime],
        faults: Callable[[], Fault | None] = lambda: None,
        *,
        secret: str,
    ) -> None:
        super().__init__(store, clock, faults)
        self._path = f"/services/T00000000/B00000000/{secret}"

    def messages(self) -> list[ReceivedNotice]:
        return [_notice(taken) for taken in self._store.all()]

    def _route(self, request: Request) -> Reply:
        if request.method != "POST":
            return Reply(HTTPStatus.METHOD_NOT_ALLOWED, b"method_not_allowed")
        if request.path != self._path:
            return Reply(HTTPStatus.NOT_FOUND, b"no_service")
        document = json_object(request)
        error = b"invalid_payload" if document is None else _error_in(document)
        if document is None or error:
            return Reply(HTTPStatus.BAD_REQUEST, error)
        self._keep(document)
        return Reply(HTTPStatus.OK, b"ok")


def _error_in(document: dict[str, Any]) -> bytes | None:
    if not document.get("text"):
        return b"no_text"
    return None if _are_blocks(document.get("blocks", [])) else b"invalid_blocks"


def _are_blocks(blocks: Any) -> bool:
    return isinstance(blocks, list) and len(blocks) <= _BLOCKS and all(map(_is_block, blocks))


def _is_block(block: Any) -> bool:
    match block:
        case {"type": "header", "text": text}:
            return _is_text(text, _HEADER) and text["type"] == "plain_text"
        case {"type": "section", "fields": [_, *_] as fields}:
            return len(fields) <= _FIELDS and all(_is_text(field, _FIELD) for field in fields)
        case {"type": "section", "text": text}:
            return _is_text(text, _SECTION)
        case {"type": "actions", "elements": [{"type": "button", "text": text, "url": str(url)}]}:
            return _is_text(text, 75) and url.startswith(("http://", "https://")) and len(url) <= _SECTION
    return False


def _is_text(text: Any, limit: int) -> bool:
    match text:
        case {"type": "plain_text" | "mrkdwn", "text": str(words)}:
            return 0 < len(words) <= limit
    return False


def _notice(taken: Taken) -> ReceivedNotice:
    document = json.loads(taken.request)
    header, *blocks = document["blocks"]
    fields = [field["text"] for block in blocks for field in block.get("fields", [])]
    links = [block["elements"][0]["url"] for block in blocks if block["type"] == "actions"]
    return ReceivedNotice(
        title=header["text"]["text"],
        text="".join(block["text"]["text"] for block in blocks if "text" in block),
        facts=dict(field.split("\n", 1) for field in fields),
        link=links[0] if links else None,
        received_at=taken.received_at,
        request=document,
    )
