"""The API under a thousand users, through the local stack: `make bench NAME=api` prints a figure a line, `name value`.

The base has 50,000 licences. Locust's users (users.py) read four times as often as they write. Two runs: one request
at a time (`alone_…`), and IN_FLIGHT at a time, for which the USERS take turns. Times are the handlers' own, in ms, from
the `api.request` lines of their log, before what they add to the totals of metrics. A client's are not: it waits
for a free handler. The stack runs `handlers` processes, each with a request at a time, where Lambda would have one for
each request; they share the cores with PostgreSQL, the shim and Locust, and what is more than `alone_…` is waiting for
a core. `…_share`: of the processor time that shim, handlers and PostgreSQL used. `errors`: answers of 400 and above,
and requests without one.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import quantiles
from typing import Any, NamedTuple

from sqlalchemy import Engine, text

from bench.api.processor import used
from bench.api.stack import DATABASE
from bench.planning import LICENSES, PEOPLE, TENANTS, vacuum
from local.databases import recreate
from local.issuer import Issuer
from local.lambda_runtime import AT_ONCE
from local.postgres import Postgres, start_postgres
from nolapse.api.identity import Role
from nolapse.planning.plan import bounds, plan

HERE = Path(__file__).parent
PLACE = Path(".nolapse/bench").absolute()
LICENSES_HELD = 50_000
USERS, IN_FLIGHT = 1_000, 50
OWN = 20
WARM_SECONDS, ALONE_SECONDS, SECONDS = 15, 20, 60
READY_SECONDS = 60
CLIENT_ERROR = 400
MIDDLE, MOST, NEARLY_ALL = 49, 94, 98

DESKS = text("""
SELECT tenant_id, array_agg(license_id) AS licenses, array_agg(clinician_id) AS clinicians
FROM (SELECT *, ntile(:desks) OVER (PARTITION BY tenant_id ORDER BY license_id) AS desk FROM licenses) AS dealt
GROUP BY tenant_id, desk
""")


class Stack(NamedTuple):
    """`log`: what its handlers write. `server`: PostgreSQL's first process."""

    url: str
    process: int
    server: int
    log: Path


def main() -> None:
    locust = install()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        postgres = start_postgres(place / "postgres")
        make_base(postgres, Issuer(place), place / "users.json")
        with running(postgres, place) as stack:
            drive(locust, stack, place, users=IN_FLIGHT, in_flight=IN_FLIGHT, seconds=WARM_SECONDS)
            alone, lost = drive(locust, stack, place, users=1, in_flight=1, seconds=ALONE_SECONDS)
            show_times("alone_", alone)
            before = used(stack.process, stack.server)
            crowded, lost_too = drive(locust, stack, place, users=USERS, in_flight=IN_FLIGHT, seconds=SECONDS)
            spent = [
                after - first for after, first in zip(used(stack.process, stack.server), before, strict=True)
            ]
    show_times("", crowded)
    show("requests_per_second", len(crowded) / SECONDS)
    show("handlers", AT_ONCE)
    for name, seconds in zip(("shim", "handler", "postgres"), spent, strict=True):
        show(f"{name}_share", seconds / sum(spent))
    refused = sum(line["status"] >= CLIENT_ERROR for line in [*alone, *crowded])
    show("errors", refused + lost + lost_too)


def install() -> Path:
    """Locust, pinned and hashed, in a place of its own."""
    python = PLACE / "locust/bin/python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", PLACE / "locust"], check=True)  # noqa: S603  our own interpreter
    subprocess.run(  # noqa: S603  the same
        [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes",
         "-r", HERE / "requirements.txt"],
        check=True,
    )  # fmt: skip
    return python


def make_base(postgres: Postgres, issuer: Issuer, users: Path) -> None:
    recreate(postgres, DATABASE)
    owner, engine = postgres.engine(DATABASE), postgres.engine(DATABASE, "nolapse_engine")
    with owner.begin() as connection:
        connection.execute(PEOPLE, {"tenants": TENANTS, "count": LICENSES_HELD})
        connection.execute(LICENSES)
    vacuum(owner)
    with engine.begin() as connection:
        plan(connection, bounds(datetime.now(UTC), horizon_months=13, lookback_days=14))
    with owner.begin() as connection:
        connection.execute(text("REFRESH MATERIALIZED VIEW license_renewal_view"))
    vacuum(owner)
    users.write_text(json.dumps(list(desks(owner, issuer))), encoding="utf-8")
    owner.dispose()
    engine.dispose()


def desks(owner: Engine, issuer: Issuer) -> Iterator[dict[str, Any]]:
    """One a user, each with people and licences of its own."""
    with owner.connect() as connection:
        rows = connection.execute(DESKS, {"desks": USERS // TENANTS}).all()
    for number, row in enumerate(rows):
        token = issuer.token(Role.CLINIC, row.tenant_id, now=datetime.now(UTC), subject=f"desk-{number}")
        yield {
            "token": token,
            "licenses": [str(each) for each in row.licenses[:OWN]],
            "clinicians": [str(each) for each in row.clinicians[:OWN]],
        }


@contextmanager
def running(postgres: Postgres, place: Path) -> Iterator[Stack]:
    ready, log = place / "url", place / "handlers.log"
    server = int((place / "postgres/postmaster.pid").read_text(encoding="utf-8").splitlines()[0])
    command = [sys.executable, "-m", "bench.api.stack", postgres.socket, str(ready)]
    with (
        log.open("wb") as lines,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=lines) as process,  # noqa: S603  our own interpreter
    ):
        try:
            until = time.monotonic() + READY_SECONDS
            while not (ready.exists() and ready.read_text(encoding="utf-8")):
                if process.poll() is not None or time.monotonic() > until:
                    raise RuntimeError("the stack did not come up")
                time.sleep(0.1)
            yield Stack(ready.read_text(encoding="utf-8"), process.pid, server, log)
        finally:
            if process.stdin:
                process.stdin.close()


def drive(
    locust: Path, stack: Stack, place: Path, *, users: int, in_flight: int, seconds: int
) -> tuple[list[dict[str, Any]], int]:
    """The handlers' lines of the requests made meanwhile, and how many requests the client has no good answer of."""
    begins = stack.log.stat().st_size
    done = subprocess.run(  # noqa: S603  our own interpreter
        [locust, "-m", "locust", "-f", HERE / "users.py", "--host", stack.url, "--headless", "--only-summary", "--json",
         "--loglevel", "ERROR", "--stop-timeout", "30", "-u", str(users), "-r", str(users), "-t", f"{seconds}s"],
        env=os.environ | {"NOLAPSE_USERS": str(place / "users.json"), "NOLAPSE_IN_FLIGHT": str(in_flight)},
        stdout=subprocess.PIPE, check=False,
    )  # fmt: skip
    asked = json.loads(done.stdout)
    with stack.log.open("rb") as lines:
        lines.seek(begins)
        told = [json.loads(line) for line in lines if b'"api.request"' in line]
    refused = sum(line["status"] >= CLIENT_ERROR for line in told)
    return told, max(0, sum(each["num_failures"] for each in asked) - refused)


def show_times(prefix: str, lines: list[dict[str, Any]]) -> None:
    for kind, methods in (("read", {"GET"}), ("write", {"POST", "PATCH"})):
        percentiles = quantiles((line["latency_ms"] for line in lines if line["method"] in methods), n=100)
        for name, place in (("p50", MIDDLE), ("p95", MOST), ("p99", NEARLY_ALL)):
            show(f"{prefix}{kind}_{name}_ms", percentiles[place])


def show(name: str, value: float) -> None:
    print(f"{name} {value:.2f}" if value < 1 else f"{name} {value:.0f}", flush=True)


if __name__ == "__main__":
    main()
