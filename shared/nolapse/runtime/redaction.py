"""What a log line may say of people: nothing. The last guard; no line of ours is meant to meet it.

A value is taken out whole where its field's name says that it is a person's, and what looks like an address, a
telephone number or a token wherever it stands. Names and licence numbers look like nothing in particular: only their
fields tell them.
"""

import re
from collections.abc import Mapping
from typing import Any

WITHHELD = "[withheld]"
# Parts of a field's name, whatever stands around them.
TELLING = re.compile(
    r"e_?mail|phone|(full|first|last|given|family|holder|recipient|person)_?name|licen[cs]e_?(number|no)\b"
    r"|recipient|address|birth|token|secret|password|authorization|api_?key|cookie",
    re.IGNORECASE,
)
LOOKS = re.compile(
    r"[\w.+%-]+@[\w-]+(?:\.[\w-]+)+"  # e-mail
    r"|(?<![\w+])\+[1-9]\d{6,14}(?!\w)"  # E.164
    r"|(?<![\w-])(?:\(\d{3}\) ?|\d{3}[ .-])\d{3}[ .-]\d{4}(?![\w-])"  # as it is written in North America
    r"|\bBearer +[\w.~+/=-]+"  # RFC 6750
    r"|\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*"  # a JWT: RFC 7519
    r"|(?<![\w.-])[\w-]+\.{1,2}e[yJ][\w-]{8,}\.[\w-]{16,}"  # a seal: domain/seals.py
)


def redacted(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: WITHHELD if _tells(str(name), held) else redacted(held) for name, held in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [redacted(each) for each in value]
    return LOOKS.sub(WITHHELD, value) if isinstance(value, str) else value


def _tells(name: str, held: Any) -> bool:
    """A count of something is nobody's, and None says nothing."""
    return bool(held) and not isinstance(held, int | float) and TELLING.search(name) is not None
