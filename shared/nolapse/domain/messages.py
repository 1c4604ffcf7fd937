"""What is said to a person, before and after a provider's wire format."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Rendered:
    """One message as its reader sees it: a subject and two equivalent bodies."""

    subject: str
    html: str
    text: str


@dataclass(frozen=True, slots=True)
class Email:
    """A rendered message on its way to one mailbox.

    `key` is the notification's idempotency key in hex (64 characters): providers carry it along so that
    a probe can find the message again. `attempt_id` tells tries with the same key apart.
    `unsubscribe_url` takes the POST of RFC 8058's one click; None where the recipient can't unsubscribe.
    """

    to: str
    sender: str
    sender_name: str
    key: str
    attempt_id: str
    content: Rendered
    unsubscribe_url: str | None = None


@dataclass(frozen=True, slots=True)
class TextMessage:
    """An SMS on its way. `to` is a number in E.164, `sender` one of ours or a messaging service's id."""

    to: str
    sender: str
    key: str
    attempt_id: str
    body: str


@dataclass(frozen=True, slots=True)
class TemplateMessage:
    """A WhatsApp message on its way: a template that the vendor has approved, and what fills it.

    `to` and `sender` are numbers in E.164; `body` is what the reader will see, for telling messages apart.
    """

    to: str
    sender: str
    key: str
    attempt_id: str
    content_id: str
    variables: Mapping[str, str]
    body: str


@dataclass(frozen=True, slots=True)
class Notice:
    """What operators are told in their channel: ids and counts, nothing about a person."""

    key: str
    title: str
    text: str
    facts: Mapping[str, str]
    link: str | None = None


@dataclass(frozen=True, slots=True)
class Callback:
    """An event on its way to a tenant's own system. `key` stays the same in every try: the receiver dedupes.

    `tenant` is an id, by which the secrets that sign are found.
    """

    tenant: str
    url: str
    key: str
    at: datetime
    payload: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Sought:
    """A message that may have left, as its attempt remembers it: what a probe may look for.

    `sender` is the mailbox or number that it left from, `body_sha256` is of the text body in UTF-8, `handle` what
    the vendor had called it before its answer was lost; each None where it was not kept.
    """

    key: str
    attempt_id: str
    to: str
    since: datetime
    sender: str | None = None
    body_sha256: bytes | None = None
    handle: str | None = None
