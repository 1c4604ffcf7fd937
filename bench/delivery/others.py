"""Other job queues, each installed into a place of its own and run as a program of its own."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from bench.delivery import due
from local.postgres import SUPERUSER, Postgres

HERE = Path(__file__).parent
PLACE = Path(".nolapse/bench").absolute()
JOBS = 40_000
# procrastinate takes one job at a time.
FEWER_JOBS = {"procrastinate": 3_000}
PYTHON = {"raw": "raw.py", "pgqueuer": "with_pgqueuer.py", "procrastinate": "with_procrastinate.py"}
NODE = {"pgboss": "pgboss.mjs", "graphile": "graphile.mjs"}


@dataclass(frozen=True, slots=True)
class Installed:
    """`node`: where the packages of npm are, None where npm is not."""

    python: Path
    node: Path | None

    @property
    def packages(self) -> Path:
        return next(self.python.parent.parent.glob("lib/python*/site-packages"))


def install() -> Installed:
    python, node = PLACE / "venv/bin/python", PLACE / "node"
    requirements = HERE / "requirements.txt"
    if not python.exists():
        run(sys.executable, "-m", "venv", PLACE / "venv")
    run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes",
        "-r", requirements)  # fmt: skip
    if not shutil.which("npm"):
        print("npm is missing: pg-boss and graphile-worker are left out", file=sys.stderr)
        return Installed(python, None)
    node.mkdir(exist_ok=True)
    for name in ("package.json", "package-lock.json", *(f"contenders/{file}" for file in NODE.values())):
        shutil.copy(HERE / name, node)
    run("npm", "ci", "--silent", "--no-audit", "--no-fund", "--prefix", node)
    return Installed(python, node)


def measure(postgres: Postgres, installed: Installed) -> dict[str, float]:
    """Jobs a second, claimed and completed, by contender."""
    programs = {name: [installed.python, HERE / "contenders" / file] for name, file in PYTHON.items()}
    if installed.node:
        programs |= {name: [Path("node"), installed.node / file] for name, file in NODE.items()}
    rates = {}
    for name, program in programs.items():
        postgres.drop_database(due.DATABASE)
        postgres.create_database(due.DATABASE)
        rates[name] = float(
            run(
                *program,
                FEWER_JOBS.get(name, JOBS),
                PGHOST=postgres.socket,
                PGDATABASE=due.DATABASE,
                PGUSER=SUPERUSER,
            )
        )
    return rates


def same_rows(postgres: Postgres, installed: Installed, rows: int) -> float:
    """Rows a second by the least SQL that writes what we write."""
    with due.base(postgres, rows):
        return float(
            run(installed.python, HERE / "contenders/same_rows.py", rows, due.NOW.isoformat(),
                PGHOST=postgres.socket, PGDATABASE=due.DATABASE, PGUSER="nolapse_engine")
        )  # fmt: skip


def by_driver(postgres: Postgres, installed: Installed, driver: str, rows: int, batch: int) -> float:
    with due.base(postgres, rows):
        return float(
            run(sys.executable, "-m", "bench.delivery.claim_complete", postgres.socket, driver, batch,
                PYTHONPATH=str(installed.packages))
        )  # fmt: skip


def run(*command: object, **environment: str) -> str:
    """What it prints; its errors are shown as they come."""
    done = subprocess.run(  # noqa: S603  our own programs
        [str(part) for part in command],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout
