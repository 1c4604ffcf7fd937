"""Delivery against bare SQL and against other job queues, in one run: `make bench NAME=delivery`, `name value` a line.

All contenders work on one embedded PostgreSQL with its default settings, each on a fresh database, with two workers on
whatever cores there are; rounds take turns, figures are medians, rates are rows a second and tell of this machine,
ratios are what to compare. "Claim and complete" is what a job queue does for a job that does nothing: claim it from
due to in flight, complete it to done. Of ours that is three transitions: due to QUEUED (scan), to SENDING (dispatch),
to SENT, by the very statements of scan and dispatch over the product's engine, in batches of BATCH; with an attempt
inserted and settled in notification_outbox and three hash-chained rows in audit_log. The others write a state and,
pgqueuer and pg-boss, a log or archive. No text is rendered there: theirs have none either.

raw        a table made for it, over psycopg: UPDATE … RETURNING by FOR UPDATE SKIP LOCKED, then UPDATE by id; two
           connections, batches of 2,000. The ceiling of what PostgreSQL does for two updates a row.
same_rows  the least SQL that writes the rows that we write, into our tables, over psycopg; two connections, batches of
           2,000. The ceiling for whoever keeps these records; over raw it says what the records cost.
others     as their documentation tunes them for throughput, the best of the batch sizes that their file lists.
drivers    the same statements of ours over pg8000 and over psycopg, at three sizes of batch, one connection.
dispatch   scan() and dispatch() whole (seals, texts, limits), with a provider and a queue that do nothing.
end_to_end the same over the wire to an SQS double (standin.py), scan by boto3, three dispatchers. standin_share: what
           the double and those who poll it take of the cores' time; in the cloud SQS and Lambda do both.
"""

import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from statistics import median

from bench.delivery import claim_complete, due, end_to_end, others
from local.postgres import Postgres, start_postgres

ROUNDS = 3
ROWS, BATCH = 40_000, 1_000
DRIVER_BATCHES = {10: 3_000, 100: 10_000, 1_000: 20_000}
MESSAGES = 20_000


def main() -> None:
    installed = others.install()
    with tempfile.TemporaryDirectory() as folder:
        postgres = start_postgres(Path(folder, "postgres"))
        rates = compete(postgres, installed)
        for name, found in rates.items():
            show(f"claim_complete_{name}_per_second", median(found))
        ours = median(rates["nolapse"])
        for name in rates.keys() - {"nolapse"}:
            show(f"claim_complete_over_{name}", ours / median(rates[name]))
        show("same_rows_over_raw", median(rates["same_rows"]) / median(rates["raw"]))
        compare_drivers(postgres, installed)
        wholes, in_process = [], []
        for _ in range(ROUNDS):
            in_process.append(end_to_end.without_a_queue(postgres, MESSAGES))
            wholes.append(end_to_end.measure(postgres, MESSAGES))
        whole = median(each.rate for each in wholes)
        show("scan_dispatch_per_second", median(in_process))
        show("end_to_end_per_second", whole)
        show("end_to_end_over_scan_dispatch", whole / median(in_process))
        show("standin_share", median(each.standin_share for each in wholes))


def compete(postgres: Postgres, installed: others.Installed) -> dict[str, list[float]]:
    rates: dict[str, list[float]] = defaultdict(list)
    for _ in range(ROUNDS):
        with due.base(postgres, ROWS) as base:
            rates["nolapse"].append(claim_complete.measure(base, BATCH, workers=2))
        rates["same_rows"].append(others.same_rows(postgres, installed, ROWS))
        for name, found in others.measure(postgres, installed).items():
            rates[name].append(found)
    return rates


def compare_drivers(postgres: Postgres, installed: others.Installed) -> None:
    for batch, rows in DRIVER_BATCHES.items():
        rates: dict[str, list[float]] = defaultdict(list)
        for _ in range(ROUNDS):
            for driver in ("pg8000", "psycopg"):
                rates[driver].append(others.by_driver(postgres, installed, driver, rows, batch))
        show(f"driver_psycopg_over_pg8000_{batch}", median(rates["psycopg"]) / median(rates["pg8000"]))


def show(name: str, value: float) -> None:
    print(f"{name} {value:.2f}" if value < 100 else f"{name} {value:.0f}")  # noqa: PLR2004  rates have no fractions
    sys.stdout.flush()


if __name__ == "__main__":
    main()
