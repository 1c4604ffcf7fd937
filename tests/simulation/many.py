"""Many seeds at once: a process per core, each with a server of its own, which may crash, and a stack a chunk."""

import multiprocessing
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import cache
from pathlib import Path

from local.databases import TEMPLATE, ensure_template
from local.postgres import Postgres, start_postgres
from tests.simulation.run import simulate
from tests.simulation.tally import Tally, replay
from tests.simulation.world import world

# Seeds for which one stack is made, at most: it costs as much as a few of them.
CHUNK = 100


def live_all(folder: Path, seeds: range) -> Iterator[tuple[Tally, Sequence[str]]]:
    """Of some seeds at a time what they came to, and what is wrong with them, with the command that replays it."""
    cores = os.cpu_count() or 1
    size = max(1, min(CHUNK, -(-len(seeds) // cores)))
    chunks = [seeds[start : start + size] for start in range(0, len(seeds), size)]
    with ProcessPoolExecutor(min(len(chunks), cores), multiprocessing.get_context("spawn")) as pool:
        for done in as_completed(pool.submit(_live, folder, chunk) for chunk in chunks):
            yield done.result()


@cache
def _server(folder: Path) -> Postgres:
    """Stops with this process."""
    postgres = start_postgres(folder / f"data-{os.getpid()}")
    ensure_template(postgres)
    return postgres


def _live(folder: Path, seeds: Sequence[int]) -> tuple[Tally, Sequence[str]]:
    sys.unraisablehook = _forgive_lost_sockets
    postgres, name, own = _server(folder), f"simulation_{seeds[0]}", folder / str(seeds[0])
    own.mkdir()
    postgres.create_database(name, TEMPLATE)
    tally, complaints = Tally(), list[str]()
    with world(postgres, name, own) as made:
        for seed in seeds:
            run = simulate(made, seed)
            verdict = run.live()
            tally.add(run.weather, verdict)
            complaints += [f"seed {seed}: {what}: {'; '.join(them)}" for what, them in verdict.wrong.items()]
            complaints += [] if verdict.holds else [replay(seed)]
    postgres.drop_database(name)
    return tally, complaints


def _forgive_lost_sockets(broken: "sys.UnraisableHookArgs") -> None:
    """A connection that a fault cut off has unsent bytes as it is thrown away."""
    if not isinstance(broken.exc_value, OSError):
        sys.__unraisablehook__(broken)
