"""What the API refuses, and the one shape in which it says so.

ApiError
├── BadRequest          400  cannot be read
├── Unauthorized        401  no token, or none that is good
├── Forbidden           403  not with this role or scope; or never
├── NotFound            404  not there, or not yours: nobody learns which
├── MethodNotAllowed    405
├── Conflict            409  another record stands in the way
├── PreconditionFailed  412  changed meanwhile
├── TooLarge            413  431 for headers
├── UnsupportedType     415
├── Unprocessable       422  `fields` says what to change
├── PreconditionNeeded  428  If-Match is missing
├── TooMany             429  with Retry-After
└── Unavailable         503  with Retry-After
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from nolapse.domain.errors import NolapseError


class FieldError(BaseModel):
    """`field` is a path into the request (`steps.0.days`), with what to change in `message`."""

    # Built for the first answer that refuses.
    model_config = ConfigDict(defer_build=True)

    field: str
    message: str


class ErrorBody(BaseModel):
    """The body of every answer of 400 and above."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, defer_build=True)

    error: str = Field(description="the status in words")
    message: str = Field(description="what is wrong and what to do, for a person")
    code: str = Field(description="the same for a program: it does not change with the wording")
    correlation_id: str = Field(description="X-Correlation-Id of this exchange; logs have it too")
    timestamp: datetime
    fields: list[FieldError] = Field(default_factory=list, description="what to change, field by field")


class ApiError(NolapseError):
    status = HTTPStatus.INTERNAL_SERVER_ERROR

    def __init__(
        self,
        code: str,
        message: str,
        *,
        fields: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.fields = list(fields)
        self.headers = dict(headers or {})


class BadRequest(ApiError):
    status = HTTPStatus.BAD_REQUEST


class Unauthorized(ApiError):
    """https://www.rfc-editor.org/rfc/rfc6750#section-3."""

    status = HTTPStatus.UNAUTHORIZED

    def __init__(self, why: str) -> None:
        challenge = f'Bearer error="invalid_token", error_description="{why}"'
        super().__init__(
            "UNAUTHORIZED", f"{why}: send a good access token", headers={"WWW-Authenticate": challenge}
        )


class Forbidden(ApiError):
    status = HTTPStatus.FORBIDDEN


class NotFound(ApiError):
    status = HTTPStatus.NOT_FOUND

    def __init__(self, what: str) -> None:
        super().__init__("NOT_FOUND", f"there is no such {what}")


class MethodNotAllowed(ApiError):
    status = HTTPStatus.METHOD_NOT_ALLOWED

    def __init__(self, allowed: Iterable[str]) -> None:
        names = ", ".join(sorted(allowed))
        super().__init__("METHOD_NOT_ALLOWED", f"only {names} can be asked here", headers={"Allow": names})


class Conflict(ApiError):
    status = HTTPStatus.CONFLICT

    def __init__(self, field: str, message: str) -> None:
        super().__init__("CONFLICT", f"{field}: {message}", fields=[FieldError(field=field, message=message)])


class PreconditionFailed(ApiError):
    status = HTTPStatus.PRECONDITION_FAILED


class TooLarge(ApiError):
    def __init__(
        self, what: str, most: int, status: HTTPStatus = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    ) -> None:
        super().__init__("TOO_LARGE", f"{what} may have {most:,} bytes at most")
        self.status = status


class UnsupportedType(ApiError):
    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE

    def __init__(self, wanted: str) -> None:
        super().__init__("UNSUPPORTED_MEDIA_TYPE", f"send the body as {wanted}", headers={"Accept": wanted})


class Unprocessable(ApiError):
    status = HTTPStatus.UNPROCESSABLE_ENTITY

    def __init__(self, fields: Sequence[FieldError], code: str = "INVALID") -> None:
        super().__init__(code, "; ".join(f"{each.field}: {each.message}" for each in fields), fields=fields)

    @classmethod
    def of(cls, field: str, message: str) -> "Unprocessable":
        return cls([FieldError(field=field, message=message)])

    @classmethod
    def said_by(cls, errors: Iterable[Mapping[str, Any]]) -> "Unprocessable":
        """What pydantic found, without the values that it quotes."""
        return cls([FieldError(field=_path(each["loc"]), message=each["msg"]) for each in errors])


class PreconditionNeeded(ApiError):
    status = HTTPStatus.PRECONDITION_REQUIRED


class TooMany(ApiError):
    status = HTTPStatus.TOO_MANY_REQUESTS


class Unavailable(ApiError):
    status = HTTPStatus.SERVICE_UNAVAILABLE

    def __init__(self, why: str, retry_after: int) -> None:
        super().__init__("UNAVAILABLE", f"{why}: try again", headers={"Retry-After": str(retry_after)})


# Where a request has its fields: what pydantic's path to one begins with. `asked` is what routes call a query's model.
_PLACES = {("body",), ("query",), ("query", "asked"), ("path",), ("header",)}


def _path(location: Sequence[object]) -> str:
    """As the caller named it: without its place in the request, where a name follows."""
    parts = tuple(str(part) for part in location)
    for length in (2, 1):
        if len(parts) > length and parts[:length] in _PLACES:
            return ".".join(parts[length:])
    return ".".join(parts)
