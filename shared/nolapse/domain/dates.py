"""Reads the dates that registers write, and says so when a text could be read in more than one way.

A text alone rarely tells 03/04/2026 from 04/03/2026, but its column's other rows do: `possible_orders` says
how a text may be read, and the order that fits every text of a column decides how `read_date` reads each.
"""

import re
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from functools import lru_cache

FIRST_YEAR = 1970
LAST_YEAR = 2099

# Excel's day 0; it lies two days before 1900-01-01 because Excel believes in a 29 February 1900.
EXCEL_EPOCH = date(1899, 12, 30)

# Cells that say the licence does not run out, and cells that say nothing.
ENDLESS = frozenset(
    {"open", "perpetual", "indefinite", "lifetime", "permanent", "never", "no expiration", "does not expire"}
)
SILENT = frozenset(
    {"", "-", "--", ".", "?", "0", "null", "none", "nil", "nan", "nat", "n/a", "na", "n.a.", "#n/a", "tbd"}
    | {"unknown", "not supplied", "not available", "not applicable", "not provided", "missing", "blank"}
)
# What databases write for "no date" (MySQL's zero date, SQL Server's and SAS' oldest).
ZERO_DATE = re.compile(r"(0000[-/]00[-/]00|00[-/]00[-/]0000|00000000|1900-01-01|0?1/0?1/1900)(\D.*)?")
END_OF_TIME = 9999
SHORT_YEAR = 2  # digits


class DateOrder(StrEnum):
    """How the three numbers of a date such as 03-04-26 follow each other."""

    MONTH_FIRST = "month-first"
    DAY_FIRST = "day-first"
    YEAR_FIRST = "year-first"


@dataclass(frozen=True, slots=True)
class Dated:
    on: date


@dataclass(frozen=True, slots=True)
class Undated:
    """No date, and that is no mistake: `endless` when the text says that there will never be one."""

    sentinel: str
    endless: bool


@dataclass(frozen=True, slots=True)
class Unreadable:
    reason: str


Reading = Dated | Undated | Unreadable

MONTH_NAMES = (
    ("jan", "january"),
    ("feb", "february"),
    ("mar", "march"),
    ("apr", "april"),
    ("may",),
    ("jun", "june"),
    ("jul", "july"),
    ("aug", "august"),
    ("sep", "sept", "september"),
    ("oct", "october"),
    ("nov", "november"),
    ("dec", "december"),
)
MONTHS = {name: number for number, names in enumerate(MONTH_NAMES, start=1) for name in names}

TIME = (
    r"(?:[T ]\s*(?P<clock>\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?)\s*(?P<half>[AaPp]\.?[Mm]\.?)?"
    r"\s*(?P<zone>Z|[+-]\d{2}:?\d{2}|UTC|GMT)?)?"
)
YEAR_MONTH_DAY = re.compile(r"(?P<year>\d{4})([-/.])(?P<month>\d{1,2})\2(?P<day>\d{1,2})" + TIME)
THREE_NUMBERS = re.compile(r"(\d{1,2})([-/.])(\d{1,2})\2(\d{4}|\d{2})" + TIME)
EIGHT_DIGITS = re.compile(r"(\d{4})(\d{2})(\d{2})")
EXCEL_SERIAL = re.compile(r"(\d{5})(\.\d+)?")
WEEKDAY = r"(?:(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?\.?,?\s+)?"
MONTH_DAY_YEAR = re.compile(
    WEEKDAY + r"([a-z]+)\.?[ -](\d{1,2})(?:st|nd|rd|th)?,?[ -](\d{4}|\d{2})" + TIME, re.IGNORECASE
)
DAY_MONTH_YEAR = re.compile(
    WEEKDAY + r"(\d{1,2})(?:st|nd|rd|th)?[ .-]\s?([a-z]+)\.?,?[ -](\d{4}|\d{2})" + TIME, re.IGNORECASE
)


@lru_cache(maxsize=65536)
def possible_orders(text: str) -> frozenset[DateOrder]:
    """The orders in which `text` is a date; empty when it is none, or no matter which."""
    numbers = THREE_NUMBERS.fullmatch(text.strip())
    if not numbers:
        return frozenset()
    readings = {order: _in_order(numbers, order) for order in DateOrder}
    return frozenset(order for order, reading in readings.items() if isinstance(reading, Dated))


@lru_cache(maxsize=65536)
def read_date(text: str, order: DateOrder | None = None) -> Reading:
    """What `text` says; `order` is what its column decided, None where no text of the column needs one.

    A time of day is dropped: a register's midnight is a date, not an instant. Only an instant in UTC may fall
    on another day than its writer meant: it is refused unless it is the edge of a day.
    """
    stripped = " ".join(text.split())
    word = stripped.casefold()
    if word in SILENT or ZERO_DATE.fullmatch(word):
        return Undated(stripped, endless=False)
    if word in ENDLESS:
        return Undated(stripped, endless=True)
    return (
        _numeric(stripped, order) or _named_month(stripped) or _digits_only(stripped) or _unreadable(stripped)
    )


def _numeric(text: str, order: DateOrder | None) -> Reading | None:
    if match := YEAR_MONTH_DAY.fullmatch(text):
        return _dated(text, match, match["year"], match["month"], match["day"])
    if match := THREE_NUMBERS.fullmatch(text):
        return _undecided(match) if order is None else _in_order(match, order)
    return None


def _in_order(match: re.Match[str], order: DateOrder) -> Reading:
    first, second, third = match[1], match[3], match[4]
    if order is DateOrder.YEAR_FIRST:
        if len(third) > SHORT_YEAR:
            return Unreadable("begins with a number of two digits, but the dates are read year-first")
        return _dated(match.string, match, first, second, third)
    month, day = (first, second) if order is DateOrder.MONTH_FIRST else (second, first)
    return _dated(match.string, match, third, month, day)


def _undecided(match: re.Match[str]) -> Reading:
    """Without an order, a text is read only if every order in which it is a date gives the same one."""
    readings = {
        reading for order in DateOrder if isinstance(reading := _in_order(match, order), Dated | Undated)
    }
    if len(readings) == 1:
        return readings.pop()
    return Unreadable(
        "may be read in more than one order: write it as YYYY-MM-DD"
        if readings
        else "is no date in any order"
    )


def _named_month(text: str) -> Reading | None:
    if match := MONTH_DAY_YEAR.fullmatch(text):
        name, day, year = match[1], match[2], match[3]
    elif match := DAY_MONTH_YEAR.fullmatch(text):
        day, name, year = match[1], match[2], match[3]
    else:
        return None
    month = MONTHS.get(name.lower())
    if month is None:
        return Unreadable("names no month of the calendar: correct it")
    return _dated(text, match, year, str(month), day)


def _digits_only(text: str) -> Reading | None:
    if match := EIGHT_DIGITS.fullmatch(text):
        return _date(match[1], match[2], match[3], text)
    if match := EXCEL_SERIAL.fullmatch(text):
        return _in_range(EXCEL_EPOCH + timedelta(days=int(match[1])))
    return None


def _dated(text: str, match: re.Match[str], year: str, month: str, day: str) -> Reading:
    if match["zone"] in {"Z", "UTC", "GMT", "+00:00", "+0000"} and not _edge_of_day(
        match["clock"], match["half"]
    ):
        return Unreadable("is an instant in UTC, and its day depends on a time zone: give the date alone")
    return _date(year, month, day, text)


def _edge_of_day(clock: str, half: str | None) -> bool:
    hour, minute = clock.split(":")[:2]
    if half:
        return (hour, minute) == ("12", "00") and half[0] in "aA"
    return (int(hour), int(minute)) in {(0, 0), (23, 59)}


def _date(year: str, month: str, day: str, text: str) -> Reading:
    """A year of two digits lies in the one century that FIRST_YEAR begins: 70 is 1970 and 69 is 2069."""
    number = int(year)
    if number == END_OF_TIME:
        return Undated(text, endless=True)
    if len(year) == SHORT_YEAR:
        number += 1900 if number >= FIRST_YEAR % 100 else 2000
    try:
        return _in_range(date(number, int(month), int(day)))
    except ValueError:
        return Unreadable("is no day of the calendar: correct it")


def _in_range(day: date) -> Reading:
    if FIRST_YEAR <= day.year <= LAST_YEAR:
        return Dated(day)
    return Unreadable(f"lies outside the years {FIRST_YEAR} to {LAST_YEAR}: correct it, or write PERPETUAL")


def _unreadable(text: str) -> Unreadable:
    if re.fullmatch(r"\d{1,2}[-/]\d{4}|\d{4}[-/]\d{1,2}|[A-Za-z]+,? \d{4}", text):
        return Unreadable("has no day: write it as YYYY-MM-DD")
    return Unreadable("is not a date in any known form: write it as YYYY-MM-DD")
