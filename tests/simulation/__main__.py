"""python -m tests.simulation SEEDS FIRST: so many runs, a table, and 1 where anything was lost or doubled."""

import shutil
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console

from local.databases import recreate
from local.postgres import start_postgres
from tests.simulation.run import simulate
from tests.simulation.tally import Tally, replay
from tests.simulation.world import World, world

DATABASE = "simulation"
PROGRESS_SECONDS = 10


def main(seeds: int, first: int) -> int:
    # Whatever the functions print belongs to what is judged.
    console = Console(file=sys.stdout, width=110)
    sys.unraisablehook = _forgive_lost_sockets
    folder = Path(tempfile.mkdtemp(prefix="nolapse-simulation-"))
    try:
        postgres = start_postgres(folder / "data")
        recreate(postgres, DATABASE)
        with world(postgres, DATABASE, folder) as made:
            tally = _live(made, range(first, first + seeds), console)
        postgres.server.cleanup()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    console.print(tally.table())
    for line in tally.summary():
        console.print(line, highlight=False)
    return 0 if tally.holds else 1


def _live(made: World, seeds: range, console: Console) -> Tally:
    tally, told = Tally(), time.monotonic()
    for seed in seeds:
        run = simulate(made, seed)
        verdict = run.live()
        tally.add(run.weather, verdict)
        if not verdict.holds:
            for what, offenders in verdict.wrong.items():
                console.print(f"seed {seed}: {what}: {'; '.join(offenders)}", markup=False, highlight=False)
            console.print(replay(seed), highlight=False)
        if time.monotonic() - told > PROGRESS_SECONDS:
            told = time.monotonic()
            console.print(f"{tally.runs} of {len(seeds)} runs", highlight=False)
    return tally


def _forgive_lost_sockets(broken: "sys.UnraisableHookArgs") -> None:
    """A connection that a fault cut off has unsent bytes as it is thrown away."""
    if not isinstance(broken.exc_value, OSError):
        sys.__unraisablehook__(broken)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2])))
