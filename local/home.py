"""Where the local stack keeps what outlives a run: `.nolapse/` beside the sources."""

from local.postgres import Postgres, start_postgres
from local.stack import ROOT

HOME = ROOT / ".nolapse"


def open_postgres() -> Postgres:
    return start_postgres(HOME / "postgres")
