"""What secrets must say; what else they say is their own."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from nolapse.runtime.secrets import BadSecret

# Secret stores and files add line ends.
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Url = Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^https?://\S+$")]
UrlOrNone = Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^(https?://\S+)?$")] | None
Mailbox = Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^[^@\s]+@[^@\s]+$")]
Said = TypeVar("Said", bound=BaseModel)


class _Secret(BaseModel):
    # Built by who reads one: no function reads all, and few stacks have every vendor.
    model_config = ConfigDict(frozen=True, defer_build=True, hide_input_in_errors=True)


class DatabaseSecret(_Secret):
    username: Text
    # To the letter: it may begin or end with a space.
    password: str = Field(min_length=1)


class SigningSecret(_Secret):
    """`keys` and `current` are as domain/seals.py has them."""

    keys: dict[Text, Text]
    current: Text


class WebhookSecret(_Secret):
    """A vendor that is left out is not served. Nothing else may stand here: it would be one whose name is mistyped."""

    model_config = ConfigDict(extra="forbid")

    sendgrid: Text | None = None
    mailgun: Text | None = None
    twilio: Text | None = None


class GraphSecret(_Secret):
    authority: Url
    client_id: Text
    secret: Text
    mailboxes: list[Mailbox] = Field(min_length=1)


class SendGridSecret(_Secret):
    api_key: Text


class MailgunSecret(_Secret):
    api_key: Text
    domain: Text


class TwilioSecret(_Secret):
    """`whatsapp` is as delivery/whatsapp.py has it."""

    account_sid: Text
    auth_token: Text
    senders: list[Text] = Field(min_length=1)
    whatsapp: dict[str, Any] | None = None


class OpsSecret(_Secret):
    """A channel that is left out, or empty, is not used."""

    slack: UrlOrNone = None
    teams: UrlOrNone = None


class TenantSecret(_Secret):
    keys: list[Text]


def read_as(model: type[Said], said: Mapping[str, Any], secret_id: str, *under: str) -> Said:
    """Of a secret, or of what it has `under` a name. Raises BadSecret, which tells what a field must be and not what it
    is.
    """
    try:
        return model.model_validate(said)
    except ValidationError as wrong:
        found = wrong.errors(include_url=False, include_context=False, include_input=False)
        problems = [f"{'.'.join(map(str, (*under, *each['loc'])))}: {each['msg']}" for each in found]
        raise BadSecret(secret_id, "; ".join(problems)) from None


@contextmanager
def made_of(secret_id: str) -> Iterator[None]:
    """What is made within raises ValueError for what such a secret says: BadSecret then."""
    try:
        yield
    except ValueError as wrong:
        raise BadSecret(secret_id, str(wrong)) from None
