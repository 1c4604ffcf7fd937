"""Where the local stack keeps what outlives a run: NOLAPSE_HOME, else `.nolapse/` beside the sources."""

import os
from pathlib import Path

from local.postgres import Postgres, start_postgres
from local.stack import ROOT


def home() -> Path:
    return Path(os.environ.get("NOLAPSE_HOME") or ROOT / ".nolapse").resolve()


def open_postgres() -> Postgres:
    return start_postgres(home() / "postgres")
