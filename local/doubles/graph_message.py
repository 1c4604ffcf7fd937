"""What Graph takes as a message in JSON, and what it refuses to send.

https://learn.microsoft.com/en-us/graph/api/resources/message
"""

import re
from collections.abc import Iterator
from typing import Any

_FIELDS = {
    *("subject", "body", "from", "sender", "toRecipients", "ccRecipients", "bccRecipients", "replyTo"),
    *("importance", "categories", "internetMessageId", "internetMessageHeaders"),
    *("singleValueExtendedProperties", "multiValueExtendedProperties"),
}
_ADDRESS = re.compile(r"[^@\s<>]+@[^@\s<>.]+(\.[^@\s<>.]+)+")
_GUID = r"\{[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\}"
# https://learn.microsoft.com/en-us/graph/api/resources/extended-properties-overview#id-formats
_PROPERTY = re.compile(rf"\w+ ({_GUID} (Name .+|Id 0x[0-9a-fA-F]+)|0x[0-9a-fA-F]+)")
_BODY_TYPES = {"text", "html"}
_MAX_SUBJECT = 255


def errors_in(message: dict[str, Any]) -> list[str]:
    """Codes of what keeps this from becoming a draft. Whom it is to is asked when it is sent."""
    return [*_shape(message), *_headers(message), *_properties(message)]


def unsendable(message: dict[str, Any], mailbox: str) -> str | None:
    """The code of what keeps a draft in `mailbox` from leaving."""
    sender = message.get("from", {"emailAddress": {"address": mailbox}})
    if _address(sender).casefold() != mailbox.casefold():
        return "ErrorSendAsDenied"
    to = message.get("toRecipients", [])
    if not to or not all(_ADDRESS.fullmatch(_address(recipient)) for recipient in to):
        return "ErrorInvalidRecipients"
    return None


def properties(message: dict[str, Any]) -> dict[str, str]:
    return {entry["id"]: entry["value"] for entry in message.get("singleValueExtendedProperties", [])}


def _shape(message: dict[str, Any]) -> Iterator[str]:
    if set(message) - _FIELDS or not _is_body(message.get("body", {})):
        yield "RequestBodyRead"
    if not isinstance(message.get("subject", ""), str) or len(message.get("subject", "")) > _MAX_SUBJECT:
        yield "ErrorInvalidPropertySet"
    named = [message[name] for name in ("from", "sender") if name in message]
    if not all(_is_recipient(entry) for entry in [*named, *message.get("toRecipients", [])]):
        yield "RequestBodyRead"


def _headers(message: dict[str, Any]) -> Iterator[str]:
    for header in message.get("internetMessageHeaders", []):
        if not str(header.get("name", "")).lower().startswith("x-"):
            yield "InvalidInternetMessageHeader"


def _properties(message: dict[str, Any]) -> Iterator[str]:
    for entry in message.get("singleValueExtendedProperties", []):
        if set(entry) != {"id", "value"} or not isinstance(entry["value"], str):
            yield "RequestBodyRead"
        elif not _PROPERTY.fullmatch(str(entry["id"])):
            yield "ErrorInvalidProperty"


def _is_body(entry: Any) -> bool:
    known = isinstance(entry, dict) and not set(entry) - {"contentType", "content"}
    return known and str(entry.get("contentType", "text")).lower() in _BODY_TYPES


def _is_recipient(entry: Any) -> bool:
    address = entry.get("emailAddress") if isinstance(entry, dict) else None
    return (
        isinstance(address, dict)
        and not set(address) - {"address", "name"}
        and set(entry) == {"emailAddress"}
    )


def _address(recipient: dict[str, Any]) -> str:
    return str(recipient["emailAddress"].get("address", ""))
