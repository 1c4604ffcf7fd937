"""python -m tests.mutations: each guard taken out of a copy of the tree, and whether its test notices."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.mutations.guards import GUARDS, ROOT, Guard

TESTS_FAILED = 1
FAILED = re.compile(r"^FAILED (\S+)", re.MULTILINE)


def main() -> int:
    console = Console(width=150)
    table = Table("guard", "without it", "caught by", "verdict")
    caught = 0
    for guard in GUARDS:
        by = without(guard)
        caught += by is not None
        table.add_row(guard.name, guard.taken_out, by or "nothing", "caught" if by else "MISSED")
        console.print(f"{guard.name}: {by or 'MISSED'}", highlight=False, soft_wrap=True)
    console.print(table)
    console.print(f"{len(GUARDS)} guards, {caught} caught", highlight=False)
    return 0 if caught == len(GUARDS) else 1


def without(guard: Guard) -> str | None:
    """The first test that fails once the guard is gone; None where all pass, or none could be run."""
    folder = Path(tempfile.mkdtemp(prefix="nolapse-mutation-"))
    try:
        tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True)
        for name in tracked.stdout.splitlines():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
        guard.apply(folder)
        # Before what is installed: that is the tree as it is.
        environment = os.environ | {"PYTHONPATH": f"{folder / 'shared'}:{folder}"}
        command = [sys.executable, "-m", "pytest", "-n", "0", "-x", "-q", "-rf", guard.tests]
        run = subprocess.run(
            command, cwd=folder, env=environment, check=False, capture_output=True, text=True
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    failed = FAILED.search(run.stdout)
    return failed[1].rpartition("/")[2] if run.returncode == TESTS_FAILED and failed else None


if __name__ == "__main__":
    sys.exit(main())
