"""The query language of SendGrid's Email Logs: conditions joined by AND, no nesting, case-sensitive.

https://www.twilio.com/docs/sendgrid/api-reference/email-logs/filter-all-messages
"""

import operator
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

LogEntry = Mapping[str, Any]

_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
}
_OPERATORS = {
    "sg_message_id": {"="},
    "subject": {"="},
    "to_email": {"="},
    "reason": {"="},
    "status": {"IN"},
    "categories": {"IN"},
    "sg_message_id_created_at": set(_COMPARISONS),
}
_QUOTED = r"""(?:'[^']*'|"[^"]*")"""
_CONDITION = re.compile(
    rf"""\s*(?P<field>\w+)\s*
    (?: (?P<in>IN)\s*\(\s*(?P<values>{_QUOTED}(?:\s*,\s*{_QUOTED})*)\s*\)
      | (?P<order>[<>]=?)\s*TIMESTAMP\s*(?P<instant>{_QUOTED})
      | (?P<equal>=)\s*(?P<value>{_QUOTED}) )\s*""",
    re.VERBOSE,
)


class QueryError(ValueError):
    """The query is not one that the vendor would take."""


def matcher(query: str) -> Callable[[LogEntry], bool]:
    """A test for log entries; raises QueryError."""
    conditions = [_condition(text) for text in _split(query)] if query.strip() else []
    return lambda entry: all(condition(entry) for condition in conditions)


def labels_asked_for(query: str) -> list[str] | None:
    """The categories that a match must have one of, None where it needs none."""
    for text in _split(query):
        match = _CONDITION.fullmatch(text)
        if match and match["field"] == "categories" and match["values"]:
            return _unquoted(match["values"])
    return None


def _split(query: str) -> list[str]:
    quoted_or_and = re.compile(rf"({_QUOTED})|\bAND\b")
    marked = quoted_or_and.sub(lambda found: found[1] or "\0", query)
    return marked.split("\0")


def _condition(text: str) -> Callable[[LogEntry], bool]:
    match = _CONDITION.fullmatch(text)
    if match is None:
        raise QueryError
    field = match["field"]
    operation = match["in"] or match["order"] or match["equal"]
    if operation not in _OPERATORS.get(field, ()):
        raise QueryError
    if match["in"]:
        wanted = set(_unquoted(match["values"]))
        return lambda entry: not wanted.isdisjoint(_listed(entry[field]))
    if match["order"]:
        instant = _instant(match["instant"][1:-1])
        return lambda entry: _COMPARISONS[operation](_instant(entry[field]), instant)
    value = match["value"][1:-1]
    return lambda entry: bool(entry[field] == value)


def _unquoted(values: str) -> list[str]:
    return [quoted[1:-1] for quoted in re.findall(_QUOTED, values)]


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def _instant(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise QueryError from error
