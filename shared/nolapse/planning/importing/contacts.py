"""E-mail addresses and phone numbers as registers write them, or why they cannot be used."""

import re
from typing import NamedTuple

# The dot-atom addresses of RFC 5321 §4.1.2 (quoted local parts are for no person), within §4.5.3.1's lengths.
EMAIL = re.compile(
    r"(?=.{1,254}$)(?=[^@]{1,64}@)[^\s@,;:<>()\[\]\\\"]+@(?:[^\W_](?:[\w-]*[^\W_])?\.)+[^\W\d_]{2,}"
)
ENCLOSED = re.compile(r".*<([^<>]+)>")
EXTENSION = re.compile(r"\s*(?:x|ext\.?|extension)\s*\d+$", re.IGNORECASE)
PHONE_CHARACTERS = re.compile(r"[\d\s().+/-]+")
# North American Numbering Plan: area code and exchange begin with 2 to 9.
NANP = re.compile(r"1?([2-9]\d{2}[2-9]\d{6})", re.ASCII)
E164 = re.compile(r"[1-9]\d{6,14}", re.ASCII)


class Contact(NamedTuple):
    """`value` is None where there is none to use; `problem` then says why, unless the cell was blank."""

    value: str | None
    problem: str = ""


def read_email(text: str) -> Contact:
    if not text:
        return Contact(None)
    enclosed = ENCLOSED.fullmatch(text)
    local, at, domain = (enclosed[1] if enclosed else text).strip().removeprefix("mailto:").rpartition("@")
    address = local + at + domain.lower()
    if not EMAIL.fullmatch(address) or ".." in address or not address.isprintable():
        return Contact(None, "is not one e-mail address: imported without it")
    return Contact(address)


def read_phone(text: str) -> Contact:
    """As E.164; a number without a country code is North American."""
    if not text:
        return Contact(None)
    plain = EXTENSION.sub("", text)
    digits = re.sub(r"\D", "", plain)
    if not PHONE_CHARACTERS.fullmatch(plain):
        return Contact(None, "is not one phone number: imported without it")
    if plain.startswith("+") or digits.startswith("00"):
        return _international(digits.removeprefix("00"))
    if match := NANP.fullmatch(digits):
        return Contact(f"+1{match[1]}")
    return Contact(None, "is no North American phone number and has no +country code: imported without it")


def _international(digits: str) -> Contact:
    if E164.fullmatch(digits) and (not digits.startswith("1") or NANP.fullmatch(digits)):
        return Contact(f"+{digits}")
    return Contact(None, "is no phone number of its country: imported without it")
