"""What is said to a person, before and after a provider's wire format."""

from dataclasses import dataclass


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
    """

    to: str
    sender: str
    sender_name: str
    key: str
    attempt_id: str
    content: Rendered
