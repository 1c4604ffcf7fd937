"""The variables a template may name: all that a message ever says about a person or a licence."""

import unicodedata
from datetime import date, datetime
from functools import lru_cache
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, PositiveInt, StringConstraints

from nolapse.messages import wording

MASK = "••••"
VISIBLE_CHARACTERS = 4
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
# Scripts and emoji are spelled with these two; every other format character only hides or reorders text.
JOINERS = frozenset("\u200c\u200d")


def mask(license_number: str) -> str:
    """The mask and the last four characters; of a number that short, half, so that none is shown whole."""
    number = license_number.strip()
    visible = VISIBLE_CHARACTERS if len(number) > VISIBLE_CHARACTERS else len(number) // 2
    return MASK + number[len(number) - visible :]


def _single_line(text: str) -> str:
    """Registers hold stray tabs and line breaks: cleaned, never a reason to withhold a reminder."""
    shown = text if text.isprintable() else "".join(map(_printable, text))
    line = " ".join(shown.split())
    if not line:
        raise ValueError("must not be blank")
    return line


def _printable(character: str) -> str:
    category = unicodedata.category(character)
    if category in {"Cc", "Zl", "Zp"}:
        return " "
    return "" if category in {"Cf", "Cs"} and character not in JOINERS else character


def _portal(url: str) -> str:
    if not url.isprintable() or " " in url:
        raise ValueError("must be a plain web address")
    _check_origin("/".join(url.split("/", 3)[:3]))
    return url


@lru_cache(maxsize=8)
def _check_origin(origin: str) -> None:
    """Of thousands of links in messages there are one or two."""
    parts = urlsplit(origin)
    if parts.username is not None:
        raise ValueError("must be a plain web address")
    if not parts.hostname or (
        parts.scheme != "https" and (parts.scheme, parts.hostname in LOOPBACK) != ("http", True)
    ):
        raise ValueError("must be https, or http on loopback")


Line = Annotated[str, AfterValidator(_single_line)]
MaskedNumber = Annotated[str, StringConstraints(pattern=rf"(?s)^{MASK}.{{0,{VISIBLE_CHARACTERS}}}$")]
PortalUrl = Annotated[str, AfterValidator(_portal)]


class Variables(BaseModel):
    # Inputs stay out of validation errors: errors are logged, and a raw licence number is not for logs.
    # Built on first use: most batches send messages of one kind.
    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, hide_input_in_errors=True, defer_build=True
    )

    clinic_name: Line

    def panel(self) -> list[tuple[str, str]]:
        """The label and value of each line of the panel that HTML and text both show."""
        return []


class ReminderVariables(Variables):
    """`license_last4` is what `mask` gives; `days_left` counts to `expires_on`, negative when overdue."""

    license_type: Line
    state: Line | None
    license_last4: Annotated[MaskedNumber, AfterValidator(_single_line)]
    expires_on: date
    days_left: int
    portal_url: PortalUrl
    acknowledge_url: PortalUrl

    def panel(self) -> list[tuple[str, str]]:
        lines = [
            ("License", self.license_type),
            ("State", self.state),
            ("Number", self.license_last4),
            ("Expired" if self.days_left < 0 else "Expires", wording.long_date(self.expires_on)),
            ("Status", wording.countdown(self.days_left)),
        ]
        return [(label, value) for label, value in lines if value]


class EscalationVariables(ReminderVariables):
    """A reminder for a supervisor: `holder_name` is the member of the team whose licence it is."""

    holder_name: Line

    def panel(self) -> list[tuple[str, str]]:
        return [("Holder", self.holder_name), *super().panel()]


class GreetingVariables(Variables):
    """No years: a birthday tells nobody's age, not even by a slip of its template."""

    full_name: Line


class AnniversaryVariables(GreetingVariables):
    years: PositiveInt


class DoseVariables(Variables):
    """`medication` is what its taker calls it; the times are those of the zone that it is taken in."""

    medication: Line
    due_at: datetime
    take_until: datetime

    def panel(self) -> list[tuple[str, str]]:
        return [
            ("Take", self.medication),
            ("Due", f"{wording.clock(self.due_at)}, {wording.long_date(self.due_at)}"),
            ("Until", wording.clock(self.take_until)),
        ]


class MissedDoseVariables(DoseVariables):
    """For a caregiver: `holder_name` is who could not be reminded."""

    holder_name: Line

    def panel(self) -> list[tuple[str, str]]:
        return [("Who", self.holder_name), *super().panel()[:2]]
