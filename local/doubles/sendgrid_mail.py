"""What SendGrid's Mail Send endpoint takes and refuses.

https://www.twilio.com/docs/sendgrid/api-reference/mail-send/errors
"""

import re
from collections.abc import Iterator
from typing import Any

Errors = Iterator[tuple[str, str]]

_ADDRESS = re.compile(r"[^@\s<>]+@[^@\s<>.]+(\.[^@\s<>.]+)+")
_RESERVED_HEADERS = {
    *("x-sg-id", "x-sg-eid", "received", "dkim-signature", "content-type", "content-transfer-encoding"),
    *("to", "from", "subject", "reply-to", "cc", "bcc"),
}
_MAX_PERSONALIZATIONS = 1000
_MAX_CATEGORIES = 10
_MAX_CATEGORY_LENGTH = 255
_MAX_CUSTOM_ARGS_BYTES = 10_000


def errors_in(mail: dict[str, Any]) -> list[dict[str, str | None]]:
    found = [
        *_personalizations(mail.get("personalizations")),
        *_from(mail.get("from")),
        *_subject(mail),
        *_content(mail.get("content")),
        *_categories(mail.get("categories", [])),
        *_headers(mail.get("headers", {})),
    ]
    return [{"message": message, "field": field, "help": None} for field, message in found]


def _personalizations(blocks: Any) -> Errors:
    if not isinstance(blocks, list) or not blocks:
        yield (
            "personalizations",
            "The personalizations field is required and must have at least one personalization.",
        )
        return
    if len(blocks) > _MAX_PERSONALIZATIONS:
        yield (
            "personalizations",
            f"The personalization block is limited to {_MAX_PERSONALIZATIONS} per API request.",
        )
    for index, block in enumerate(blocks):
        yield from _personalization(f"personalizations.{index}", block)


def _personalization(path: str, block: Any) -> Errors:
    recipients = block.get("to") if isinstance(block, dict) else None
    if not isinstance(recipients, list) or not recipients:
        yield f"{path}.to", "The to array is required for all personalization objects."
        return
    for index, recipient in enumerate(recipients):
        if not _has_address(recipient):
            yield f"{path}.to.{index}.email", "Does not contain a valid address."
    arguments = block.get("custom_args", {})
    if not isinstance(arguments, dict) or not all(isinstance(value, str) for value in arguments.values()):
        yield f"{path}.custom_args", "Each custom argument must be a string."
    elif len(str(arguments).encode()) > _MAX_CUSTOM_ARGS_BYTES:
        yield f"{path}.custom_args", f"Custom arguments may not exceed {_MAX_CUSTOM_ARGS_BYTES} bytes."


def _from(sender: Any) -> Errors:
    if not isinstance(sender, dict):
        yield "from", "The from object must be provided for every email send."
    elif not _has_address(sender):
        yield "from.email", "Does not contain a valid address."


def _subject(mail: dict[str, Any]) -> Errors:
    blocks = mail.get("personalizations") or [{}]
    if not mail.get("subject") and not all(
        isinstance(block, dict) and block.get("subject") for block in blocks
    ):
        yield "subject", "The subject is required."


def _content(parts: Any) -> Errors:
    if not isinstance(parts, list) or not parts:
        yield "content", "Unless a valid template_id is provided, the content parameter is required."
        return
    for index, part in enumerate(parts):
        for name in ("type", "value"):
            if not isinstance(part, dict) or not part.get(name) or not isinstance(part[name], str):
                yield (
                    f"content.{index}.{name}",
                    f"The content {name} must be a string at least one character in length.",
                )
                return
    types = [part["type"] for part in parts]
    if types != sorted(types, key=_rank):
        yield (
            "content",
            "If present, text/plain must be first, followed by text/html, and then any other content.",
        )
    if len(types) != len(set(types)):
        yield "content", "If present, text/plain and text/html may only be provided once."


def _rank(content_type: str) -> int:
    order = ["text/plain", "text/html"]
    return order.index(content_type) if content_type in order else len(order)


def _categories(categories: Any) -> Errors:
    if not isinstance(categories, list) or not all(isinstance(category, str) for category in categories):
        yield "categories", "The categories parameter must be an array of strings."
        return
    if len(categories) > _MAX_CATEGORIES:
        yield "categories", f"You cannot have more than {_MAX_CATEGORIES} categories per request."
    if len(categories) != len(set(categories)):
        yield "categories", "You cannot have duplicate categories."
    for index, category in enumerate(categories):
        if len(category) > _MAX_CATEGORY_LENGTH:
            yield (
                f"categories.{index}",
                f"Category names cannot be longer than {_MAX_CATEGORY_LENGTH} characters.",
            )


def _headers(headers: Any) -> Errors:
    """Some are the vendor's own to set: https://www.twilio.com/docs/sendgrid/api-reference/mail-send/errors."""
    if not isinstance(headers, dict) or not all(isinstance(value, str) for value in headers.values()):
        yield "headers", "Each header must be a string."
        return
    for name in headers:
        if not name.isascii() or name.lower() in _RESERVED_HEADERS:
            yield f"headers.{name}", "The header is reserved, or not ASCII."


def _has_address(entry: Any) -> bool:
    address = entry.get("email") if isinstance(entry, dict) else None
    return isinstance(address, str) and _ADDRESS.fullmatch(address) is not None
