"""Secrets of Secrets Manager, each a JSON object, and what is made of them.

What is made of a secret lives for as long as the secret says the same: a key that is put in, changed or taken out is
in force within AGE wherever a function runs, without a deploy.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from nolapse.domain.errors import NolapseError
from nolapse.runtime.observability import logger

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

# How long what a secret said is trusted before it is asked for again.
AGE = timedelta(minutes=5)
# How long where somebody names a key that it did not say: a stranger's forgeries must not make us ask for each.
AGE_IN_DOUBT = timedelta(seconds=10)
# What is not there, and what waits to be deleted.
# https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html
_GONE = {"ResourceNotFoundException", "InvalidRequestException"}
_NEVER = datetime.min.replace(tzinfo=UTC)

Secret = Callable[[str], Mapping[str, Any]]
Made = TypeVar("Made")


class NoSecret(NolapseError):
    """It is not there, or cannot be asked for, and never was."""

    def __init__(self, secret_id: str, code: str) -> None:
        super().__init__(f"the secret {secret_id} cannot be read: {code}")
        self.secret_id = secret_id


class BadSecret(NolapseError, ValueError):
    """It does not say what it must. The message names fields, and shows nothing of what they hold."""

    def __init__(self, secret_id: str, problem: str) -> None:
        super().__init__(
            f"the secret {secret_id} is not as docs/architecture.md, Settings, has it: {problem}"
        )
        self.secret_id = secret_id


@dataclass(slots=True)
class _Known:
    """What a secret said, and when it was asked for: by one thread at a time."""

    said: Mapping[str, Any] | None = None
    asked_at: datetime = _NEVER
    asking: Lock = field(default_factory=Lock)


class Secrets:
    """By name or ARN. Threads may share it."""

    def __init__(self, client: "SecretsManagerClient", clock: Callable[[], datetime]) -> None:
        self._client = client
        self._clock = clock
        self._known: dict[str, _Known] = {}

    def read(self, secret_id: str, *, within: timedelta = AGE) -> Mapping[str, Any]:
        """What it says, or said less than `within` ago. Raises NoSecret and BadSecret.

        While the store cannot be asked, what is known goes on: that is no reason to stop reminders.
        """
        known = self._known.setdefault(secret_id, _Known())
        with known.asking:
            now = self._clock()
            if known.said is None or now - known.asked_at >= within:
                known.said = self._ask(secret_id, known.said)
                known.asked_at = now
            return known.said

    def _ask(self, secret_id: str, before: Mapping[str, Any] | None) -> Mapping[str, Any]:
        try:
            answer = self._client.get_secret_value(SecretId=secret_id)
        except (ClientError, BotoCoreError) as error:
            code = _code(error)
            if before is None or code in _GONE:
                raise NoSecret(secret_id, code) from error
            logger().error("secret.unavailable", which=secret_id, kind=code)
            return before
        try:
            said = json.loads(answer["SecretString"])
        except (KeyError, ValueError):
            # Not as its cause: that would quote the secret.
            raise BadSecret(secret_id, "it is no JSON") from None
        if not isinstance(said, dict):
            raise BadSecret(secret_id, "it is no JSON object")
        return said


class HasSecrets(Protocol):
    @property
    def secrets(self) -> Secrets: ...


@dataclass(frozen=True, slots=True)
class _Kept(Generic[Made]):
    made: Made
    said: Mapping[str, Mapping[str, Any]]


class MadeOfSecrets(Generic[Made]):
    """As a cached property, but made again once a secret that it was made of says something else.

    Threads may share it. Who has one that is being replaced may go on with it: none keeps a connection open.
    """

    def __init__(self, make: Callable[[Any, Secret], Made]) -> None:
        self._make = make
        self._place = f"kept {make.__name__}"

    def __get__(self, owner: HasSecrets, _type: type | None = None) -> Made:
        secrets = owner.secrets
        kept: _Kept[Made] | None = vars(owner).get(self._place)
        if kept is None or any(secrets.read(name) != said for name, said in kept.said.items()):
            kept = self._anew(owner, secrets)
            vars(owner)[self._place] = kept
        return kept.made

    def _anew(self, owner: HasSecrets, secrets: Secrets) -> _Kept[Made]:
        said: dict[str, Mapping[str, Any]] = {}

        def read(secret_id: str) -> Mapping[str, Any]:
            said[secret_id] = found = secrets.read(secret_id)
            return found

        made = self._make(owner, read)
        # What it reads later, when it is used, is no part of what it was made of.
        return _Kept(made, dict(said))


def _code(error: ClientError | BotoCoreError) -> str:
    return error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__
