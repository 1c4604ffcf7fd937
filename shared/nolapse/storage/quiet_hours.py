"""The states' hours for text messages: quiet_hours.toml, checked, and which of them hold for a person."""

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from datetime import time
from functools import cache
from importlib.resources import files
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from nolapse.domain.quiet_hours import Hours, Week, every_day
from nolapse.domain.us_states import STATES, state_named
from nolapse.storage.days_off import public_holidays

NONE = "none"
CODES = frozenset(state.code for state in STATES)


def _hours(given: Any) -> Any:
    if given == NONE:
        return given
    try:
        opens, closes = (time.fromisoformat(each) for each in str(given).split("-"))
    except ValueError:
        raise ValueError(f'{given!r} are no hours: write "08:00-20:00", or "none"') from None
    if opens >= closes:
        raise ValueError(f"{given!r} opens no earlier than it closes")
    return Hours(opens, closes)


Span = Annotated[Hours | Literal["none"], BeforeValidator(_hours)]


class StateHours(BaseModel):
    """What one state's law says; `source` is where it says so, `confidence` whose word for it there is."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    source: str = Field(min_length=1)
    confidence: Literal["text", "table"]
    every_day: Span | None = None
    weekdays: Span | None = None
    saturday: Span | None = None
    sunday: Span | None = None
    holidays: Literal["none"] | None = None

    @model_validator(mode="after")
    def every_day_has_its_hours(self) -> Self:
        if None in self._days():
            raise ValueError("some days have no hours: give every_day, or weekdays, saturday and sunday")
        return self

    def week(self, state: str) -> Week:
        days = [hours if isinstance(hours, Hours) else None for hours in self._days()]
        return Week(days, public_holidays(f"US-{state}") if self.holidays else frozenset())

    def _days(self) -> list[Hours | Literal["none"] | None]:
        return [each or self.every_day for each in (*[self.weekdays] * 5, self.saturday, self.sunday)]


def read_hours(text: str) -> Mapping[str, StateHours]:
    """By the state's code. Raises ValueError (pydantic's ValidationError is one) for what makes no sense."""
    document = tomllib.loads(text)
    if unknown := document.keys() - CODES:
        raise ValueError(f"no states: {', '.join(sorted(unknown))}: use two-letter codes, such as NY")
    return {state: StateHours.model_validate(hours) for state, hours in document.items()}


@cache
def _weeks() -> Mapping[str, Week]:
    text = files(__package__).joinpath("quiet_hours.toml").read_text(encoding="utf-8")
    return {state: hours.week(state) for state, hours in read_hours(text).items()}


def weeks_for(states: Iterable[str], own: Hours) -> Sequence[Week]:
    """What holds for a person of these states, as registers spell them: all their laws, and our `own` hours."""
    known = {found.code for name in states if (found := state_named(name))}
    laws = _weeks()
    return [every_day(own), *(laws[state] for state in sorted(known) if state in laws)]
