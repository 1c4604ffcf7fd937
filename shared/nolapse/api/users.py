"""/v1/users: any person, with the dates that come every year. The same people as clinicians, who have licences."""

from collections.abc import Mapping, Sequence
from datetime import date
from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Query
from pydantic import Field

from nolapse.api import clinicians
from nolapse.api.clinicians import LISTING, Clinician, ClinicianBody, ClinicianPatch, Clinicians, Person
from nolapse.api.etags import require_match
from nolapse.api.schemas import ABSENT, WRITTEN, Edited, Listed, differences, patched
from nolapse.api.v1 import JSON, V1
from nolapse.storage.statements import statement

# What the database holds.
YearlyDate = Annotated[date, Field(ge=date(1900, 1, 1), le=date(2099, 12, 31)), WRITTEN]
# Field -> the kind of date, which is also the occasion of a policy.
KINDS = {"birthday": "BIRTHDAY", "anniversary": "ANNIVERSARY"}


class UserBody(ClinicianBody):
    birthday: YearlyDate | None = Field(default=None, description="greeted every year; null: not")
    anniversary: YearlyDate | None = Field(default=None, description="of joining you; null: not told")


class UserPatch(ClinicianPatch):
    birthday: YearlyDate | None = ABSENT
    anniversary: YearlyDate | None = ABSENT


class Users(Clinicians):
    """The same filters, under the name by which the OpenAPI document finds them."""


class User(Person):
    user_id: UUID = Field(description="the same as a clinician's clinician_id")
    birthday: date | None
    anniversary: date | None


class EditedUser(User, Edited):
    pass


def add_routes(v1: V1) -> None:
    @v1.route("GET", "/v1/users")
    def list_users(asked: Annotated[Users, Query()]) -> Listed[User]:
        """List people with their yearly dates."""
        rows, following = LISTING.page(v1.connection, v1.keys, v1.now, asked, asked.sort)
        people = [clinicians.shown(row) for row in rows]
        dates = _dates(v1, [each.clinician_id for each in people])
        return Listed[User](items=[_user(each, dates) for each in people], next=following)

    @v1.route("POST", "/v1/users", status=HTTPStatus.CREATED)
    def create_user(body: UserBody) -> Response[EditedUser]:
        """Add a person with their yearly dates."""
        row = clinicians.create(v1, _person(body))
        _set_dates(v1, row.clinician_id, body)
        done = clinicians.edited(v1, row, "clinician.created", sorted(body.model_fields_set))
        made = _edited(v1, done)
        return Response(HTTPStatus.CREATED, JSON, made, {"Location": f"/v1/users/{made.user_id}"})

    @v1.route("GET", "/v1/users/<user_id>")
    def get_user(user_id: UUID) -> User:
        """Read a person with their yearly dates."""
        return _user(clinicians.read(v1, user_id), _dates(v1, [user_id]))

    @v1.route("PUT", "/v1/users/<user_id>")
    def replace_user(user_id: UUID, body: UserBody) -> EditedUser:
        """Replace a person and their yearly dates."""
        return _change(v1, _matched(v1, user_id), body)

    @v1.route("PATCH", "/v1/users/<user_id>")
    def change_user(user_id: UUID, body: UserPatch) -> EditedUser:
        """Change some of a person and their yearly dates."""
        current = _matched(v1, user_id)
        return _change(v1, current, patched(UserBody, current, body))

    @v1.route("DELETE", "/v1/users/<user_id>")
    def delete_user(user_id: UUID) -> Edited:
        """Delete a person.

        What was to be told about them is cancelled; what was sent stays on record.
        """
        _matched(v1, user_id)
        return clinicians.delete(v1, user_id)


def _matched(v1: V1, user_id: UUID) -> User:
    current = _user(clinicians.lock(v1, user_id), _dates(v1, [user_id]))
    require_match(v1.if_match, current)
    return current


def _change(v1: V1, current: User, body: UserBody) -> EditedUser:
    row = clinicians.write(v1, current.user_id, _person(body))
    _set_dates(v1, current.user_id, body)
    return _edited(v1, clinicians.edited(v1, row, "clinician.changed", differences(current, body)))


def _edited(v1: V1, done: clinicians.EditedClinician) -> EditedUser:
    user = _user(done, _dates(v1, [done.clinician_id]))
    return EditedUser(**user.model_dump(), rescheduled=done.rescheduled)


def _person(body: UserBody) -> ClinicianBody:
    return ClinicianBody.model_validate(body.model_dump(exclude=set(KINDS)))


def _user(person: Clinician, dates: Mapping[UUID, Mapping[str, date]]) -> User:
    own = dates.get(person.clinician_id, {})
    return User.model_validate(
        {
            **person.model_dump(exclude={"clinician_id", "rescheduled"}),
            "user_id": person.clinician_id,
            **{field: own.get(kind) for field, kind in KINDS.items()},
        }
    )


def _dates(v1: V1, people: Sequence[UUID]) -> dict[UUID, dict[str, date]]:
    rows = v1.connection.execute(
        statement("person_dates_of"), {"tenant_id": v1.principal.tenant_id, "people": list(people)}
    )
    found: dict[UUID, dict[str, date]] = {}
    for row in rows:
        found.setdefault(row.clinician_id, {})[row.kind] = row.on_date
    return found


def _set_dates(v1: V1, user_id: UUID, body: UserBody) -> None:
    v1.connection.execute(
        statement("set_person_dates"),
        {
            "tenant_id": v1.principal.tenant_id,
            "clinician_id": user_id,
            "kinds": list(KINDS.values()),
            "dates": [getattr(body, field) for field in KINDS],
            "now": v1.now,
        },
    )
