"""Texts in others' hands: how long one is on the wire, as a carrier counts and bills it, and what a spreadsheet runs.

https://www.twilio.com/docs/glossary/what-is-gsm-7-character-encoding
https://www.twilio.com/docs/glossary/what-is-ucs-2-character-encoding
"""

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
