"""What a policy may say: the schema of policies/*.yaml, strict, and wider than what the database checks."""

from collections import Counter
from collections.abc import Sequence
from datetime import time
from itertools import combinations
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from nolapse.domain.quiet_hours import OURS, TEXTS, Hours, common, every_day, spoken
from nolapse.domain.us_states import STATES
from nolapse.messages.registry import TEMPLATES
from nolapse.messages.schemas import DoseVariables, ReminderVariables
from nolapse.storage.days_off import public_holidays
from nolapse.storage.quiet_hours import weeks_for

LICENSE_EXPIRY = "LICENSE_EXPIRY"
DOSE = "DOSE"
# What a step about a licence may be unless: somebody answered that it is renewed, or about to be.
ACKNOWLEDGED = "ACKNOWLEDGED"
# Longer than any run of days off in the United States: steps so far apart never shift to one day.
SHIFTED_APART = 7
# A step of a yearly date falls into its year or a neighbour of it, shift included.
YEARLY_REACH = 350
YEAR = 365


def _local_time(given: Any) -> time:
    try:
        hour, minute = str(given).split(":")
        return time(int(hour), int(minute))
    except ValueError:
        raise ValueError(f'{given!r} is no time of day: write it as "08:00"') from None


def _known_template(name: str) -> str:
    if name not in TEMPLATES:
        raise ValueError(f"{name!r} is no message template: use {', '.join(sorted(TEMPLATES))}")
    return name


def _known_calendar(name: str) -> str:
    public_holidays(name)
    return name


def _known_state(code: str) -> str:
    if code not in {state.code for state in STATES}:
        raise ValueError(f"{code!r} is no state: use its two-letter code, such as NY")
    return code


def _once_each(values: list[str]) -> list[str]:
    repeated = [value for value, count in Counter(values).items() if count > 1]
    if repeated:
        raise ValueError(f"{', '.join(repeated)} stands there more than once")
    return values


LocalTime = Annotated[time, BeforeValidator(_local_time)]
Line = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^\S(.*\S)?$")]
Channels = Annotated[
    list[Literal["EMAIL", "SMS", "WHATSAPP", "WEBHOOK"]], Field(min_length=1), AfterValidator(_once_each)
]
Recipients = Annotated[
    list[Literal["HOLDER", "SUPERVISOR", "CAREGIVER"]], Field(min_length=1), AfterValidator(_once_each)
]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class StepDocument(Strict):
    event: str = Field(pattern=r"^[A-Z][A-Z0-9_]*$")
    days: int = Field(default=0, ge=-400, le=400)
    template: Annotated[str, AfterValidator(_known_template)]
    channels: Channels = ["EMAIL"]
    recipients: Recipients = ["HOLDER"]
    perishable: bool = False
    unless: str | None = None

    @property
    def speaks_of(self) -> str:
        schema = TEMPLATES[self.template].schema
        if issubclass(schema, ReminderVariables):
            return "a licence"
        return "a dose" if issubclass(schema, DoseVariables) else "a person"


class WindowDocument(Strict):
    """Local times of the recipient; messages leave in [opens, closes)."""

    opens: LocalTime
    closes: LocalTime

    @model_validator(mode="after")
    def opens_first(self) -> Self:
        if self.opens >= self.closes:
            raise ValueError(
                f"opens at {self.opens:%H:%M}, which is not before it closes, {self.closes:%H:%M}"
            )
        return self


# Of a dose, which has windows of its own.
ALL_DAY = {"opens": "00:00", "closes": "23:59"}


class PolicyDocument(Strict):
    """A policy as its author writes it; `tenant` is a slug, None the platform's."""

    name: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=63)
    occasion: str = Field(pattern=r"^[A-Z][A-Z_]*$")
    tenant: Line | None = None
    license_type: Line | None = None
    state: Annotated[str, AfterValidator(_known_state)] | None = None
    window: WindowDocument
    leap_day: Literal["FEB_28", "MAR_1"] = "FEB_28"
    grace_days: int = Field(default=0, ge=0, le=400)
    buffer_days: int = Field(default=0, ge=0, le=400)
    business_days: Literal["ANY", "BEFORE", "AFTER"] = "ANY"
    holidays: Annotated[str, AfterValidator(_known_calendar)] | None = None
    steps: list[StepDocument] = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def a_dose_has_its_own_windows(cls, given: Any) -> Any:
        if isinstance(given, dict) and given.get("occasion") == DOSE:
            if "window" in given:
                raise ValueError(f"window is not for {DOSE}, whose medication says when: remove it")
            return {**given, "window": ALL_DAY}
        return given

    @property
    def is_yearly(self) -> bool:
        return self.occasion not in {LICENSE_EXPIRY, DOSE}

    @property
    def is_about(self) -> str:
        return {LICENSE_EXPIRY: "a licence", DOSE: "a dose"}.get(self.occasion, "a person")

    @property
    def key(self) -> tuple[str | None, str, str | None, str | None]:
        """What it is for: two policies never share it."""
        return self.tenant, self.occasion, self.license_type, self.state

    def day_of(self, step: StepDocument) -> int:
        """Days from the date to the step, grace and buffer included."""
        return step.days + (self.grace_days + self.buffer_days if step.days > 0 else 0)

    @model_validator(mode="after")
    def holds_together(self) -> Self:
        problems = [*self._of_the_kind(), *self._of_the_steps(), *self._of_the_texts()]
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _of_the_kind(self) -> Sequence[str]:
        problems = []
        if self.occasion != LICENSE_EXPIRY and (self.license_type or self.state):
            problems.append(f"license_type and state are for {LICENSE_EXPIRY}: remove them")
        if self.occasion == DOSE:
            problems += self._of_a_dose()
        if self.business_days != "ANY" and self.holidays is None:
            problems.append(
                f"business_days {self.business_days} needs holidays: name a calendar, such as US-NY"
            )
        if self.business_days == "ANY" and self.holidays is not None:
            problems.append("holidays count only with business_days BEFORE or AFTER: add one or remove them")
        return problems

    def _of_a_dose(self) -> Sequence[str]:
        """When a dose is due and until when, its medication says; who is told instead, a step with `unless`."""
        moved = {"grace_days", "buffer_days", "business_days", "leap_day"} & self.model_fields_set
        problems = [f"{field} is not for {DOSE}: remove it" for field in sorted(moved)]
        events = {step.event for step in self.steps if step.unless is None}
        for step in self.steps:
            if step.days:
                problems.append(f"days of {step.event} are not for {DOSE}: remove them")
            if "SUPERVISOR" in step.recipients:
                problems.append(f"recipient SUPERVISOR of {step.event} is not for {DOSE}: use CAREGIVER")
            if step.unless is not None and step.unless not in events:
                problems.append(
                    f"unless of {step.event} names {step.unless}: name the event of a step that has none"
                )
        return problems

    def _of_the_steps(self) -> Sequence[str]:
        repeated = [event for event, count in Counter(step.event for step in self.steps).items() if count > 1]
        problems = [f"event {event} is that of more than one step: name each" for event in repeated]
        for step in self.steps:
            if step.speaks_of != self.is_about:
                problems.append(
                    f"template {step.template} of {step.event} speaks of {step.speaks_of}: use another"
                )
            if self.occasion != DOSE and "CAREGIVER" in step.recipients:
                problems.append(f"recipient CAREGIVER of {step.event} is for {DOSE}: use SUPERVISOR")
            if self.is_yearly and step.unless is not None:
                problems.append(f"unless of {step.event} is for {LICENSE_EXPIRY} and {DOSE}: remove it")
            if self.occasion == LICENSE_EXPIRY and step.unless not in {None, ACKNOWLEDGED}:
                problems.append(f"unless of {step.event} is {step.unless}: of a licence use {ACKNOWLEDGED}")
            if self.is_yearly and abs(self.day_of(step)) > YEARLY_REACH:
                problems.append(
                    f"{step.event} is {self.day_of(step)} days from a date of every year: at most {YEARLY_REACH}"
                )
        for one, other in combinations(self.steps, 2):
            if one.template == other.template and self._may_meet(one, other):
                problems.append(
                    f"{one.event} and {other.event} share template {one.template} and may fall on one day, which "
                    f"would make them one message: set them at least {self._apart} days apart"
                )
        return problems

    def _of_the_texts(self) -> Sequence[str]:
        """A text leaves where the window and the hours of texts meet: on no day of the week is never."""
        window = Hours(self.window.opens, self.window.closes)
        said = [(step, channel) for step in self.steps for channel in step.channels if channel in TEXTS]
        if not said:
            return []
        allowed = common(weeks_for([self.state] if self.state else [], OURS))
        if any(common([allowed, every_day(window)]).days):
            return []
        where = self.state or "any state"
        return [
            f"{channel} of {step.event} would never leave: the window {window} lies outside the hours of texts in "
            f"{where} ({spoken(allowed)}): move the window, or use other channels"
            for step, channel in said
        ]

    @property
    def _apart(self) -> int:
        return 1 if self.business_days == "ANY" else SHIFTED_APART

    def _may_meet(self, one: StepDocument, other: StepDocument) -> bool:
        distance = abs(self.day_of(one) - self.day_of(other))
        if self.is_yearly:  # one year's step may meet the next year's
            distance = min(distance, abs(distance - YEAR), abs(distance - YEAR - 1))
        return distance < self._apart
