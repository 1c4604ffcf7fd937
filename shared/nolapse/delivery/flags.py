"""The evaluator of feature flags: rules by Powertools, cohorts by a stable hash, and never a reminder lost to a store.

A document is Powertools' own (https://docs.aws.amazon.com/powertools/python/latest/utilities/feature_flags/), each flag
with `boolean_type: false`; its default and each `when_match` is one of `"SEND"`, `"HOLD_BACK"`, `"OPS_ONLY"` and
`{"send_to_percent": 12.5, "others": "HOLD_BACK"}`. Powertools takes a condition that it can't answer for one that is
not met, which lets go what was to be held back: what is not of the models below is refused as a whole.
"""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

import boto3
from aws_lambda_powertools.utilities.feature_flags import AppConfigStore, FeatureFlags
from aws_lambda_powertools.utilities.feature_flags.base import StoreProvider
from aws_lambda_powertools.utilities.feature_flags.exceptions import (
    ConfigurationStoreError,
    SchemaValidationError,
    StoreClientError,
)
from aws_lambda_powertools.utilities.feature_flags.schema import SchemaValidator
from botocore.config import Config
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError

from nolapse.domain.flags import Candidate, Decision, HeldBack, HoldBack, OpsOnly, Send, within

# The hosted configuration of one application: template.yaml names them so.
ENVIRONMENT = "live"
PROFILE = "flags"
MOST_AGE_SECONDS = 60
# Reminders wait for a flag store only so long.
PATIENCE = Config(connect_timeout=2, read_timeout=2, retries={"total_max_attempts": 2})

Word = Literal["SEND", "HOLD_BACK", "OPS_ONLY"]


# They end in reasons, and so in the database.
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
# Of what a Candidate tells.
OneText = Literal["tenant", "state", "person_id", "occasion", "event", "channel"]
Texts = Literal["channels"]


class _Part(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, hide_input_in_errors=True, defer_build=True
    )


class Cohort(_Part):
    """The first so many of all people are sent to; of the others it is said what."""

    send_to_percent: Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]
    others: Word = "HOLD_BACK"


class OneTextIs(_Part):
    action: Literal[
        "EQUALS", "NOT_EQUALS", "STARTSWITH", "ENDSWITH",
        "KEY_GREATER_THAN_VALUE", "KEY_GREATER_THAN_OR_EQUAL_VALUE",
        "KEY_LESS_THAN_VALUE", "KEY_LESS_THAN_OR_EQUAL_VALUE",
    ]  # fmt: skip
    key: OneText
    value: str


class OneTextIsAmong(_Part):
    action: Literal["IN", "NOT_IN", "KEY_IN_VALUE", "KEY_NOT_IN_VALUE"]
    key: OneText
    value: list[str]


class TextsHave(_Part):
    action: Literal["VALUE_IN_KEY", "VALUE_NOT_IN_KEY"]
    key: Texts
    value: str


class TextsAreAmong(_Part):
    action: Literal["ALL_IN_VALUE", "ANY_IN_VALUE", "NONE_IN_VALUE"]
    key: Texts
    value: list[str]


class Rule(_Part):
    when_match: Word | Cohort
    conditions: Annotated[
        list[
            Annotated[OneTextIs | OneTextIsAmong | TextsHave | TextsAreAmong, Field(discriminator="action")]
        ],
        Field(min_length=1),
    ]


class Flag(_Part):
    default: Word | Cohort
    boolean_type: Literal[False]
    rules: dict[str, Rule] = Field(default_factory=dict)


# Built for the first flag: most stacks have none.
LATER = ConfigDict(defer_build=True)
VERDICT: TypeAdapter[Word | Cohort] = TypeAdapter(Word | Cohort, config=LATER)
DOCUMENT: TypeAdapter[dict[str, Flag]] = TypeAdapter(dict[Name, Flag], config=LATER)


class FileStore(StoreProvider):
    """A document in a JSON file, read again for every batch."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def get_raw_configuration(self) -> dict[str, Any]:
        try:
            document: dict[str, Any] = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise ConfigurationStoreError(type(error).__name__) from error
        return document

    def get_configuration(self) -> dict[str, Any]:
        return self.get_raw_configuration


def app_config_store(application: str) -> AppConfigStore:
    return AppConfigStore(
        environment=ENVIRONMENT,
        application=application,
        name=PROFILE,
        max_age=MOST_AGE_SECONDS,
        # Made here: what the store itself makes of a configuration, its own base class calls deprecated.
        boto3_client=boto3.client("appconfigdata", config=PATIENCE),
    )


class LastGood(StoreProvider):
    """The last document that a store gave and that made sense; none yet: no flags, everything is sent.

    `on_failure` is told the kind of error, and where it is, whenever the store has nothing better.
    """

    def __init__(self, store: StoreProvider, on_failure: Callable[[str], None]) -> None:
        self._store = store
        self._on_failure = on_failure
        self._document: dict[str, Any] = {}

    def refresh(self) -> None:
        try:
            document = self._store.get_configuration()
            if document is not self._document:
                check(document)
        except ValidationError as error:
            places = [".".join(map(str, each["loc"])) for each in error.errors(include_url=False)]
            self._on_failure(f"{type(error).__name__}: {', '.join(places)}")
        except (ConfigurationStoreError, StoreClientError, SchemaValidationError) as error:
            self._on_failure(type(error).__name__)
        else:
            self._document = document

    @property
    def get_raw_configuration(self) -> dict[str, Any]:
        return self._document

    def get_configuration(self) -> dict[str, Any]:
        return self._document


def check(document: Any) -> None:
    """Raises pydantic's ValidationError, or SchemaValidationError for what Powertools alone knows better."""
    if document == {}:  # everything is sent, of which Powertools would warn
        return
    DOCUMENT.validate_python(document)
    SchemaValidator(schema=document).validate()


class Flags:
    """What all flags together say: the first by name that holds back, else the first that is ops only, else send."""

    def __init__(self, store: StoreProvider, on_failure: Callable[[str], None]) -> None:
        self._documents = LastGood(store, on_failure)
        self._flags = FeatureFlags(store=self._documents)

    def decide(self, candidate: Candidate) -> Decision:
        self._documents.refresh()
        return self._decide(candidate)

    def held_back(self, candidates: Iterable[Candidate]) -> list[HeldBack]:
        """Those of a batch that must not leave, by one document for all; without flags nobody is asked about."""
        self._documents.refresh()
        if not self._documents.get_configuration():
            return []
        decided = ((candidate, self._decide(candidate)) for candidate in candidates)
        return [
            HeldBack(candidate, decision) for candidate, decision in decided if not isinstance(decision, Send)
        ]

    def _decide(self, candidate: Candidate) -> Decision:
        first: dict[Word, str] = {}
        for flag in sorted(self._documents.get_configuration()):
            first.setdefault(self._word(flag, candidate), flag)
        if "HOLD_BACK" in first:
            return HoldBack(first["HOLD_BACK"])
        return OpsOnly(first["OPS_ONLY"]) if "OPS_ONLY" in first else Send()

    def _word(self, flag: str, candidate: Candidate) -> Word:
        said = self._flags.evaluate(name=flag, context=candidate.context, default="SEND")
        verdict = VERDICT.validate_python(said)
        if not isinstance(verdict, Cohort):
            return verdict
        return "SEND" if within(flag, candidate.person_id, verdict.send_to_percent) else verdict.others
