"""Dates, counts and names as a reader says them: the filters of the templates."""

import re
from datetime import date

from nolapse.messages.schemas import ReminderVariables

NAMED_DAYS = {1: "tomorrow", 0: "today", -1: "yesterday"}
SAYS_WHAT_IT_IS = re.compile(
    r"\b(licen[cs]e|certificate|certification|permit|registration|credential)\b\W*$", re.IGNORECASE
)
LABEL_WIDTH = 10


def credential(license_type: str) -> str:
    """Registers name some types `Registered Nurse`, others `Registered Nurse License`."""
    return license_type if SAYS_WHAT_IT_IS.search(license_type) else f"{license_type} license"


def long_date(day: date) -> str:
    return f"{day:%B} {day.day}, {day.year}"


def expiry(days_left: int) -> str:
    verb = "expired" if days_left < 0 else "expires"
    if days_left in NAMED_DAYS:
        return f"{verb} {NAMED_DAYS[days_left]}"
    return f"{verb} {-days_left:,} days ago" if days_left < 0 else f"{verb} in {days_left:,} days"


def countdown(days_left: int) -> str:
    if days_left == 0:
        return "Last day today"
    days = f"{abs(days_left):,} {'day' if abs(days_left) == 1 else 'days'}"
    return f"{days} left" if days_left > 0 else f"{days} overdue"


def facts(variables: ReminderVariables) -> list[tuple[str, str]]:
    """The label and value of each line of the panel that HTML and text both show."""
    lines = [
        ("License", variables.license_type),
        ("State", variables.state),
        ("Number", variables.license_last4),
        ("Expired" if variables.days_left < 0 else "Expires", long_date(variables.expires_on)),
        ("Status", countdown(variables.days_left)),
    ]
    return [(label, value) for label, value in lines if value]


def align(label: str) -> str:
    return label.ljust(LABEL_WIDTH)
