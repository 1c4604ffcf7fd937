"""What Twilio's Messages resource takes and refuses, and how it fills a template.

https://www.twilio.com/docs/messaging/api/message-resource
"""

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

Form = Mapping[str, str]

_E164 = re.compile(r"\+[1-9]\d{1,14}", re.ASCII)
_SENDER = re.compile(r"\+[1-9]\d{1,14}|\d{3,8}|(?=.*[A-Za-z])[A-Za-z0-9 ]{1,11}", re.ASCII)
_SERVICE = re.compile(r"MG[0-9a-f]{32}")
_MAGIC = re.compile(r"\+1999(\d{7})", re.ASCII)
_MAX_BODY = 1600
_REFUSED_AT_ONCE = range(20_000, 30_000)
_FREE_TEXT_OUTSIDE_WINDOW = 63_016


def magic_number(code: int) -> str:
    """A number that gets this error: 2xxxx as an answer, others as the error of a message that was made."""
    return f"+1999{code:07}"


def is_whatsapp(address: str) -> bool:
    return address.startswith("whatsapp:")


def error_in(form: Form, contents: Mapping[str, str]) -> int | None:
    """The code of the first thing wrong."""
    to, sender = form.get("To", ""), form.get("From", "")
    if not to:
        return 21604
    if not _E164.fullmatch(to.removeprefix("whatsapp:")):
        return 21211
    magic = _magic(to)
    if magic in _REFUSED_AT_ONCE:
        return magic
    return (
        _sender_error(to, sender, form.get("MessagingServiceSid", ""))
        or _content_error(form, contents)
        or _callback_error(form.get("StatusCallback"))
    )


def failure_of(form: Form) -> int | None:
    """The error of a message that is made and fails."""
    if is_whatsapp(form["To"]) and "ContentSid" not in form:
        return _FREE_TEXT_OUTSIDE_WINDOW
    return _magic(form["To"])


def body_of(form: Form, contents: Mapping[str, str]) -> str:
    if "ContentSid" not in form:
        return form["Body"]
    variables = json.loads(form.get("ContentVariables", "{}"))
    return re.sub(
        r"\{\{(\w+)\}\}", lambda found: str(variables.get(found[1], "")), contents[form["ContentSid"]]
    )


def _magic(to: str) -> int | None:
    found = _MAGIC.fullmatch(to.removeprefix("whatsapp:"))
    return int(found[1]) if found else None


def _sender_error(to: str, sender: str, service: str) -> int | None:
    if service:
        return None if _SERVICE.fullmatch(service) else 21705
    if not sender:
        return 21603
    if is_whatsapp(to) != is_whatsapp(sender):
        return 21910
    number = _E164 if is_whatsapp(sender) else _SENDER
    return None if number.fullmatch(sender.removeprefix("whatsapp:")) else 21212


def _content_error(form: Form, contents: Mapping[str, str]) -> int | None:
    if "ContentSid" in form:
        if form["ContentSid"] not in contents:
            return 21655
        return None if _are_variables(form.get("ContentVariables", "{}")) else 21656
    if not form.get("Body"):
        return 21602
    return 21617 if len(form["Body"]) > _MAX_BODY else None


def _callback_error(url: str | None) -> int | None:
    if url is None:
        return None
    parts = urlsplit(url)
    return None if parts.scheme in {"http", "https"} and parts.hostname else 21609


def _are_variables(text: str) -> bool:
    try:
        variables: Any = json.loads(text)
    except ValueError:
        return False
    return isinstance(variables, dict) and all(isinstance(value, str) for value in variables.values())
