"""Texts from and in others' hands: what a record may be called, how long a text is on the wire, as a carrier counts and
bills it, and what a spreadsheet runs.

https://www.twilio.com/docs/glossary/what-is-gsm-7-character-encoding
https://www.twilio.com/docs/glossary/what-is-ucs-2-character-encoding
"""

from hashlib import sha256
from unicodedata import category

# Of what a record is called or known by: a key of the database's indexes has to fit a page's third.
LONGEST = 200
# Control characters part words at most, format characters (zero width, soft hyphen, direction) are seen by nobody.
_UNSEEN = {"Cc": " ", "Cf": ""}

# 3GPP TS 23.038, section 6.2.1: the default alphabet, and its extension, where each costs an escape besides.
_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENSION = frozenset("\f^{}\\[~]|€")
_GSM_7 = _BASIC | _EXTENSION

# One message alone, and each of several: a joined one gives room to the header that says which part it is.
_GSM_7_ALONE, _GSM_7_JOINED = 160, 153
_UCS_2_ALONE, _UCS_2_JOINED = 70, 67

# A spreadsheet would run a cell that begins with one of these as a formula (OWASP, CSV injection).
_FORMULA_STARTS = ("=", "+", "-", "@")


def tidy(text: str) -> str:
    """White space put in order, and without what nobody sees."""
    if not text.isprintable():
        text = "".join(_UNSEEN.get(category(character), character) for character in text)
    return " ".join(text.split())


def flaw(text: str, longest: int = LONGEST) -> str | None:
    """Why no record can be called so, and what to do; None: one can."""
    if len(text) > longest:
        return f"is longer than {longest} characters: shorten it"
    if not text.isprintable():
        return "has a character that can't be printed: leave it out"
    if text != text.strip():
        return "begins or ends with a blank: leave it out"
    return None


def shortened(text: str, longest: int = LONGEST) -> str:
    """As it stands where it fits; else its beginning and a digest of the whole, the same each time."""
    if len(text) <= longest:
        return text
    digest = sha256(text.encode()).hexdigest()[:32]
    return f"{text[: longest - 1 - len(digest)]}~{digest}"


def harmless_cell(text: str) -> str:
    """As a cell of a CSV file that somebody may open in a spreadsheet."""
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


def segments(text: str) -> int:
    """How many SMS the text takes; an empty one takes one."""
    if _GSM_7.issuperset(text):
        costs = [2 if character in _EXTENSION else 1 for character in text]
        return _packed(costs, _GSM_7_ALONE, _GSM_7_JOINED)
    costs = [2 if character > "\uffff" else 1 for character in text]  # a surrogate pair
    return _packed(costs, _UCS_2_ALONE, _UCS_2_JOINED)


def _packed(costs: list[int], alone: int, joined: int) -> int:
    """An escape and what it escapes, and the halves of a pair, stay in one part."""
    if sum(costs) <= alone:
        return 1
    parts, room = 0, 0
    for cost in costs:
        if cost > room:
            parts, room = parts + 1, joined
        room -= cost
    return parts
