"""What the fields of several resources are made of."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Generic, TypeVar

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

from nolapse.domain.texts import LONGEST, flaw
from nolapse.domain.us_states import LONGEST_STATE, state_code
from nolapse.domain.zones import zone_names
from nolapse.planning.edits import Rescheduled
from nolapse.planning.importing.contacts import read_email, read_phone

WRITTEN_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
Item = TypeVar("Item", bound=BaseModel)
Whole = TypeVar("Whole", bound=BaseModel)


class Model(BaseModel):
    """What routes take and answer. Built when one is first asked for it: a function that starts answers one request,
    and needs a few of more than a hundred.
    """

    model_config = ConfigDict(defer_build=True)


class Body(Model):
    """What a client sends: a name that is not known is a mistake, not a wish."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class Edited(Model):
    rescheduled: Rescheduled = Field(description="what the edit did to notifications")


class Listed(Model, Generic[Item]):
    items: list[Item]
    next: str | None = Field(description="`cursor` of the next page; null: this is the last")


def patched(whole: type[Whole], current: BaseModel, patch: BaseModel) -> Whole:
    """JSON Merge Patch (RFC 7396) of a record's own fields. Raises pydantic's ValidationError."""
    stays = current.model_dump(include=set(whole.model_fields))
    return whole.model_validate({**stays, **patch.model_dump(exclude_unset=True)})


def differences(current: BaseModel, wanted: BaseModel) -> list[str]:
    """Names of fields."""
    values = wanted.model_dump()
    return sorted(name for name, value in values.items() if getattr(current, name) != value)


def _flawless(text: str) -> str:
    if problem := flaw(text):
        raise ValueError(problem)
    return text


def _state(text: str) -> str:
    code = state_code(text)
    if problem := flaw(code, LONGEST_STATE):
        raise ValueError(problem)
    return code


def email(text: str) -> str:
    address = read_email(text).value
    if address is None:
        raise ValueError("is not one e-mail address, such as ada@clinic.example")
    return address


def phone(text: str) -> str:
    number = read_phone(text).value
    if number is None:
        raise ValueError("is no phone number with its country code, such as +12125550100")
    return number


def _zone(name: str) -> str:
    if name not in zone_names():
        raise ValueError("is no IANA time zone, such as America/New_York")
    return name


def _written(given: object) -> object:
    """RFC 3339 is text that begins with a date: pydantic would take numbers, spelled or not, for seconds since 1970."""
    if isinstance(given, int | float) or (isinstance(given, str) and not WRITTEN_DATE.match(given)):
        raise ValueError("is not written as RFC 3339 has it, such as 2027-01-31 or 2027-01-31T09:00:00Z")
    return given


WRITTEN = BeforeValidator(_written)
# At the ends of the calendar, no zone can be reckoned with.
Instant = Annotated[
    AwareDatetime,
    WRITTEN,
    Field(ge=datetime(1900, 1, 1, tzinfo=UTC), lt=datetime(2200, 1, 1, tzinfo=UTC)),
]
Text = Annotated[str, Field(min_length=1, max_length=LONGEST), AfterValidator(_flawless)]
# As imports write it, so that one licence stays one.
State = Annotated[str, Field(min_length=1, max_length=LONGEST_STATE, examples=["NY"]), AfterValidator(_state)]
Email = Annotated[
    str, Field(min_length=3, max_length=254, examples=["ada@clinic.example"]), AfterValidator(email)
]
Phone = Annotated[str, Field(min_length=7, max_length=40, examples=["+12125550100"]), AfterValidator(phone)]
Zone = Annotated[str, Field(max_length=64, examples=["America/New_York"]), AfterValidator(_zone)]


def _no_default(schema: dict[str, Any]) -> None:
    schema.pop("default", None)


# A field of a PATCH that may be left out; null is another thing, where the field takes it.
ABSENT: Any = Field(default=None, json_schema_extra=_no_default)
