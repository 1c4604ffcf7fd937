"""The seeds of every commit; `make simulate SEEDS=n` lives through more."""

from collections import Counter
from datetime import datetime

import pytest

from tests.simulation.conftest import LOST_SOCKETS
from tests.simulation.run import simulate
from tests.simulation.tally import replay
from tests.simulation.weather import Kind
from tests.simulation.world import World

pytestmark = LOST_SOCKETS
SEEDS = 200
# Small enough for several workers, each with a stack of its own.
CHUNK = 10


@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_nobody_is_missed_and_nobody_told_twice(world: World, first: int) -> None:
    for seed in range(first, first + CHUNK):
        verdict = simulate(world, seed).live()
        assert verdict.holds, f"{dict(verdict.wrong)}\n{replay(seed)}"
        assert verdict.expected


# A text comes back, and the answer to who tells is lost though the word was taken: Twilio tells once.
HEARD_AND_UNANSWERED = 11236


def test_what_was_heard_counts_whatever_became_of_the_answer(world: World) -> None:
    assert simulate(world, HEARD_AND_UNANSWERED).live().wrong == {}


# An e-mail comes back, then the text in its stead, and the server crashes as it is told: Twilio tells once.
SAID_BY_HALVES = 331


def test_what_came_back_and_was_not_said_is_nobody_s_fault(world: World) -> None:
    verdict = simulate(world, SAID_BY_HALVES).live()

    assert verdict.holds, dict(verdict.wrong)
    assert verdict.excused["came back: and nobody said so"] == 1


# What was too old was called for anew by another policy; what nobody could tell was sent again, and moved by an edit;
# somebody was told late, by the clock of a place that they moved to and back from.
MOVED = (10069, 10523, 10471)


@pytest.mark.parametrize("seed", MOVED)
def test_what_an_edit_moves_is_judged_by_what_was_known(world: World, seed: int) -> None:
    assert simulate(world, seed).live().wrong == {}


# A receipt had said that what vanished had arrived; and it comes back in the night.
LOST_AND_FOUND = 11310
# Until the night brings back what vanished nobody knows of it, nor does an edit that moves it.
LOST_AND_MISSED = 10636
# What was held, since nobody can tell whether it left, was late: the next late one keeps its distance all the same.
HELD_AND_LATE = 11115
# And from what came back late and went on by another channel, after the next one's window had been granted.
BACK_AND_LATE = 11945


@pytest.mark.parametrize("seed", [LOST_AND_FOUND, HELD_AND_LATE, BACK_AND_LATE])
def test_what_may_have_left_is_not_forgotten(world: World, seed: int) -> None:
    assert simulate(world, seed).live().wrong == {}


def test_what_vanished_costs_until_the_night(world: World) -> None:
    verdict = simulate(world, LOST_AND_MISSED).live()

    assert verdict.wrong == {}
    assert verdict.excused["told again: its row was lost, and an edit moved it before the night"] == 1


# Receipts late, out of order or never, answers lost, a commit's too; and no two functions at once.
REPLAYED = 79


def test_a_seed_does_the_same_again(world: World) -> None:
    def told() -> tuple[Counter[tuple[str, datetime]], Counter[Kind]]:
        run = simulate(world, REPLAYED)
        assert run.live().holds
        return Counter((email.key, email.received_at) for email in run.record.received), run.weather.injected

    assert told() == told()
