"""python -m tests.simulation SEEDS FIRST: so many runs, a table, and 1 where anything was lost or doubled."""

import shutil
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from tests.simulation.many import live_all
from tests.simulation.tally import Tally


def main(seeds: int, first: int) -> int:
    console, tally = Console(width=110), Tally()
    folder = Path(tempfile.mkdtemp(prefix="nolapse-simulation-"))
    try:
        for lived, complaints in live_all(folder, range(first, first + seeds)):
            tally += lived
            for complaint in complaints:
                console.print(complaint, markup=False, highlight=False)
            console.print(f"{tally.runs} of {seeds} runs", highlight=False)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    console.print(tally.table())
    for line in tally.summary():
        console.print(line, highlight=False)
    return 0 if tally.holds else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2])))
