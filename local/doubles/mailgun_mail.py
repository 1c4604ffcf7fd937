"""What Mailgun's Messages endpoint takes and refuses.

https://documentation.mailgun.com/docs/mailgun/api-reference/send/mailgun/messages/post-v3--domain-name--messages
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from email.utils import parseaddr

Fields = Sequence[tuple[str, str]]

_ADDRESS = re.compile(r"[^@\s<>]+@[^@\s<>.]+(\.[^@\s<>.]+)+")
_FIELDS = {
    "from",
    "to",
    "cc",
    "bcc",
    "subject",
    "text",
    "html",
    "amp-html",
    "template",
    "recipient-variables",
}
_OPTIONS = {
    *("o:tag", "o:testmode", "o:deliverytime", "o:dkim", "o:require-tls", "o:skip-verification"),
    *("o:tracking", "o:tracking-clicks", "o:tracking-opens"),
}
_REPEATABLE = {"to", "cc", "bcc", "o:tag"}
_SWITCHES = {"yes", "no", "true", "false", "htmlonly"}
# https://documentation.mailgun.com/docs/mailgun/user-manual/tracking-messages/track-tagging
_MAX_TAGS = 3
_MAX_TAG_LENGTH = 128
_MAX_OPTIONS_BYTES = 16 * 1024


def errors_in(fields: Fields) -> list[str]:
    """What is wrong, in words like the vendor's."""
    return [*_unknown(fields), *_required(fields), *_addresses(fields), *_tags(fields), *_options(fields)]


def values(fields: Fields, name: str) -> list[str]:
    return [value for field, value in fields if field == name]


def display_name(address: str) -> str:
    return parseaddr(address)[0]


def bare_address(address: str) -> str:
    return parseaddr(address)[1] if "<" in address else address


def _unknown(fields: Fields) -> Iterator[str]:
    for name in {name for name, _ in fields}:
        if name not in _FIELDS | _OPTIONS and not name.startswith(("h:", "v:")):
            yield f"{name} is not a parameter"
    repeated = Counter(name for name, _ in fields)
    for name, times in repeated.items():
        if times > 1 and name not in _REPEATABLE:
            yield f"{name} is given more than once"


def _required(fields: Fields) -> Iterator[str]:
    for name in ("from", "to", "subject"):
        if not any(values(fields, name)):
            yield f"{name} parameter is missing"
    if not any(values(fields, name) for name in ("text", "html", "amp-html", "template")):
        yield "Need at least one of 'text', 'html', 'amp-html' or 'template' parameters specified"


def _addresses(fields: Fields) -> Iterator[str]:
    for name in ("from", "to", "cc", "bcc"):
        if not all(_ADDRESS.fullmatch(bare_address(value)) for value in values(fields, name)):
            yield f"{name} parameter is not a valid address. please check documentation"


def _tags(fields: Fields) -> Iterator[str]:
    tags = values(fields, "o:tag")
    if len(tags) > _MAX_TAGS:
        yield "o:tag is given too often"
    if not all(tag.isascii() and len(tag) <= _MAX_TAG_LENGTH for tag in tags):
        yield "o:tag is too long, or not ASCII"


def _options(fields: Fields) -> Iterator[str]:
    options = [(name, value) for name, value in fields if name.startswith(("o:", "h:", "v:", "t:"))]
    if sum(len(name + value) for name, value in options) > _MAX_OPTIONS_BYTES:
        yield "options exceed 16KB"
    for name, value in options:
        if name.startswith("o:tracking") and value.lower() not in _SWITCHES:
            yield f"{name} is not a switch"
