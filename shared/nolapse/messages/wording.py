"""Dates, counts and names as a reader says them: the filters of the templates."""

import re
from datetime import date, datetime
from functools import lru_cache

NAMED_DAYS = {1: "tomorrow", 0: "today", -1: "yesterday"}
SAYS_WHAT_IT_IS = re.compile(
    r"\b(licen[cs]e|certificate|certification|permit|registration|credential)\b\W*$", re.IGNORECASE
)
LABEL_WIDTH = 10


def credential(license_type: str) -> str:
    """Registers name some types `Registered Nurse`, others `Registered Nurse License`."""
    return license_type if SAYS_WHAT_IT_IS.search(license_type) else f"{license_type} license"


@lru_cache(maxsize=1024)  # a batch is about a handful of days, and strftime is slow
def long_date(day: date) -> str:
    return f"{day:%B} {day.day}, {day.year}"


def clock(at: datetime) -> str:
    return f"{at:%I:%M %p}".lstrip("0")


def counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def full_years(years: int) -> str:
    return counted(years, "year")


def expiry(days_left: int) -> str:
    verb = "expired" if days_left < 0 else "expires"
    if days_left in NAMED_DAYS:
        return f"{verb} {NAMED_DAYS[days_left]}"
    days = counted(abs(days_left), "day")
    return f"{verb} {days} ago" if days_left < 0 else f"{verb} in {days}"


def countdown(days_left: int) -> str:
    if days_left == 0:
        return "Last day today"
    days = counted(abs(days_left), "day")
    return f"{days} left" if days_left > 0 else f"{days} overdue"


def align(label: str) -> str:
    return label.ljust(LABEL_WIDTH)
