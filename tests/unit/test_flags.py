"""What flags say: rules, cohorts, and a store that fails."""

import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nolapse.delivery.flags import FileStore, Flags
from nolapse.domain.flags import Candidate, HoldBack, OpsOnly, Send, within

PEOPLE = st.uuids().map(str)
PERCENT = st.floats(0, 100)
ALICE = "01a20fb0-870e-70dd-9b97-9e7b4c0e0a3d"


def candidate(
    tenant: str = "clinic",
    *,
    state: str | None = "NY",
    event: str = "PRIMARY",
    channel: str = "EMAIL",
    person_id: str = ALICE,
) -> Candidate:
    return Candidate(
        key=bytes(32),
        scheduled_at=datetime(2026, 10, 26, 12, tzinfo=UTC),
        tenant=tenant,
        person_id=person_id,
        occasion="LICENSE_EXPIRY",
        event=event,
        channels=(channel,),
        state=state,
    )


def flag(default: Any = "SEND", when_match: Any = None, **equal: str) -> dict[str, Any]:
    """`when_match` where all of `equal` holds, else `default`."""
    made: dict[str, Any] = {"default": default, "boolean_type": False}
    if equal:
        conditions = [{"action": "EQUALS", "key": key, "value": value} for key, value in equal.items()]
        made["rules"] = {"the rule": {"when_match": when_match, "conditions": conditions}}
    return made


def condition(action: str, key: str, value: Any) -> dict[str, Any]:
    """A flag that holds back where this one condition holds."""
    rule = {"when_match": "HOLD_BACK", "conditions": [{"action": action, "key": key, "value": value}]}
    return {"hold": {"default": "SEND", "boolean_type": False, "rules": {"the rule": rule}}}


# What would match nobody, or not whom it means, and so let go what it was to hold back.
UNANSWERABLE: list[Any] = [
    condition("EQUALS", "tennant", "clinic"),
    condition("EQUALS", "tenant", ["clinic"]),
    condition("EQUALS", "tenant", {}),
    condition("EQUALS", "channels", "EMAIL"),
    condition("IN", "tenant", 5),
    condition("IN", "tenant", "clinic,another"),
    condition("NOT_IN", "tenant", "clinic"),
    condition("IN", "channels", ["EMAIL"]),
    condition("VALUE_IN_KEY", "tenant", "clin"),
    condition("ANY_IN_VALUE", "tenant", ["clinic"]),
    condition("MODULO_RANGE", "person_id", {"BASE": 100, "START": 0, "END": 10}),
    condition("SCHEDULE_BETWEEN_TIME_RANGE", "CURRENT_TIME", {"START": "00:00", "END": "23:59"}),
    {"a\0b": flag("HOLD_BACK")},
    {"": flag("HOLD_BACK")},
    {"a" * 65: flag("HOLD_BACK")},
    {"a": flag("SEND") | {"rule": {}}},
    {"a": flag("SEND") | {"rules": None}},
    {
        "a": {
            "default": "SEND",
            "boolean_type": False,
            "rules": {"r": {"when_match": "HOLD_BACK", "conditions": []}},
        }
    },
    {"a": flag({"send_to_percent": True})},
    {"a": flag({"send_to_percent": "0"})},
]


class Store:
    """Flags over a file that a test writes, and what was said when it failed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.failures: list[str] = []
        self.flags = Flags(FileStore(path), self.failures.append)

    def write(self, **flags: Any) -> None:
        self.path.write_text(json.dumps(flags))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(tmp_path / "flags.json")
    made.write()
    return made


@given(person=PEOPLE, percents=st.tuples(PERCENT, PERCENT).map(sorted))
def test_a_growing_percentage_only_adds_people(person: str, percents: list[float]) -> None:
    fewer, more = percents
    assert not within("flag", person, fewer) or within("flag", person, more)


@given(PEOPLE)
def test_nobody_is_within_nothing_and_everybody_within_all(person: str) -> None:
    assert not within("flag", person, 0)
    assert within("flag", person, 100)


@given(person=PEOPLE, percent=PERCENT)
def test_a_cohort_is_the_same_in_every_process(person: str, percent: float) -> None:
    assert within("flag", person, percent) == within("flag", str(UUID(person)), percent)


@pytest.mark.parametrize("percent", [1, 10, 50, 90])
def test_a_cohort_is_about_as_large_as_it_says(percent: int) -> None:
    # Four standard deviations of 20,000 draws.
    people = [str(UUID(int=number)) for number in range(20_000)]
    inside = sum(within("texts-for-some", person, percent) for person in people) / 200
    assert inside == pytest.approx(percent, abs=4 * (percent * (100 - percent) / 20_000) ** 0.5)


def test_cohorts_of_two_flags_are_independent() -> None:
    people = [str(UUID(int=number)) for number in range(20_000)]
    both = Counter((within("one", person, 50), within("another", person, 50)) for person in people)
    assert min(both.values()) > 4_700


def test_without_flags_everything_is_sent(store: Store) -> None:
    assert store.flags.decide(candidate()) == Send()


@pytest.mark.parametrize(
    ("said", "decision"),
    [("SEND", Send()), ("HOLD_BACK", HoldBack("a-flag")), ("OPS_ONLY", OpsOnly("a-flag"))],
)
def test_a_default_is_for_everything(store: Store, said: str, decision: object) -> None:
    store.write(**{"a-flag": flag(said)})
    assert store.flags.decide(candidate()) == decision


def test_a_rule_is_for_what_it_names(store: Store) -> None:
    store.write(dose=flag("SEND", "HOLD_BACK", tenant="clinic", state="NY", event="PRIMARY", channel="EMAIL"))

    assert store.flags.decide(candidate()) == HoldBack("dose")
    for other in (
        candidate("another"), candidate(state="CA"), candidate(state=None), candidate(event="PAST_DUE"),
        candidate(channel="SMS"),
    ):  # fmt: skip
        assert store.flags.decide(other) == Send()


def test_a_negative_rule_does_not_match_what_is_not_known(store: Store) -> None:
    store.write(pilot=flag("SEND", "HOLD_BACK", state="NY") | {
        "rules": {"elsewhere": {
            "when_match": "HOLD_BACK", "conditions": [{"action": "NOT_EQUALS", "key": "state", "value": "NY"}]
        }}
    })  # fmt: skip
    assert store.flags.decide(candidate(state="CA")) == HoldBack("pilot")
    assert store.flags.decide(candidate(state=None)) == Send()


def test_a_percentage_splits_people_and_says_what_of_the_others(store: Store) -> None:
    store.write(slow=flag({"send_to_percent": 30}), quiet=flag({"send_to_percent": 0, "others": "OPS_ONLY"}))
    people = [candidate(person_id=str(UUID(int=number))) for number in range(1_000)]

    held = store.flags.held_back(people)

    assert len(held) == len(people)
    by_slow = [each for each in held if each.decision == HoldBack("slow")]
    assert 640 < len(by_slow) < 760
    assert all(each.decision == OpsOnly("quiet") for each in held if each not in by_slow)


def test_what_holds_back_weighs_more_than_ops_only(store: Store) -> None:
    store.write(a=flag("OPS_ONLY"), b=flag("HOLD_BACK"), c=flag("HOLD_BACK"), d=flag("OPS_ONLY"))
    assert store.flags.decide(candidate()) == HoldBack("b")


@pytest.mark.parametrize(
    "broken",
    [
        "{",
        "[]",
        '{"a": {"default": true}}',
        '{"a": {"default": "MAYBE", "boolean_type": false}}',
        '{"a": {"default": {"send_to_percent": 101}, "boolean_type": false}}',
        json.dumps({"a": flag("SEND", "HOLDBACK", tenant="clinic")}),
        json.dumps({"a": flag("SEND", None, tenant="clinic")}),
        "[" * 100_000,
        *map(json.dumps, UNANSWERABLE),
    ],
)
def test_a_store_that_makes_no_sense_changes_nothing(store: Store, broken: str) -> None:
    store.write(a=flag("HOLD_BACK"))
    assert store.flags.decide(candidate()) == HoldBack("a")
    store.path.write_text(broken)

    assert store.flags.decide(candidate()) == HoldBack("a")

    assert len(store.failures) == 1
    store.write()
    assert store.flags.decide(candidate()) == Send()
    assert len(store.failures) == 1


@pytest.mark.parametrize(
    ("asked", "held"),
    [
        (condition("EQUALS", "tenant", "clinic"), True),
        (condition("NOT_EQUALS", "tenant", "clinic"), False),
        (condition("STARTSWITH", "event", "PRI"), True),
        (condition("ENDSWITH", "event", "PRI"), False),
        (condition("IN", "tenant", ["another", "clinic"]), True),
        (condition("KEY_NOT_IN_VALUE", "channel", ["EMAIL"]), False),
        (condition("VALUE_IN_KEY", "channels", "EMAIL"), True),
        (condition("VALUE_NOT_IN_KEY", "channels", "EMAIL"), False),
        (condition("ANY_IN_VALUE", "channels", ["SMS", "EMAIL"]), True),
        (condition("NONE_IN_VALUE", "channels", ["SMS", "EMAIL"]), False),
    ],
)
def test_what_may_be_asked_is_answered(store: Store, asked: dict[str, Any], held: bool) -> None:
    store.write(**asked)
    assert store.flags.decide(candidate()) == (HoldBack("hold") if held else Send())
    assert store.failures == []


def test_all_that_a_candidate_tells_may_be_asked_about(store: Store) -> None:
    for key, value in candidate().context.items():
        store.write(**condition("ANY_IN_VALUE" if isinstance(value, list) else "EQUALS", key, value))
        assert store.flags.decide(candidate()) == HoldBack("hold")


def test_what_makes_no_sense_is_said_with_where(store: Store) -> None:
    store.write(**condition("EQUALS", "tennant", "clinic"))
    store.flags.decide(candidate())
    assert store.failures == ["ValidationError: hold.rules.the rule.conditions.0.EQUALS.key"]


def test_a_store_that_was_never_there_stops_nothing(store: Store) -> None:
    store.path.unlink()

    assert store.flags.held_back([candidate(), candidate()]) == []

    assert store.failures == ["ConfigurationStoreError"]
