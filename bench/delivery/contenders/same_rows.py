"""The least SQL that writes what our path writes, into the product's own tables, over psycopg: two processes.

Three updates of the schedule, an attempt inserted and settled, three audit rows by the trigger: no fairness, no leases
to respect, nothing looked at twice. What is left between this and raw.py is the rows themselves.
"""

import sys
import time
from multiprocessing import Pool

import psycopg

BATCH = 2_000
CLAIM = """
UPDATE notification_schedule SET status = 'QUEUED', claimed_at = %(now)s, updated_at = %(now)s
WHERE scheduled_at <= %(now)s AND idempotency_key = ANY (ARRAY(
  SELECT idempotency_key FROM notification_schedule
  WHERE claimed_at IS NULL AND send_by > %(now)s AND scheduled_at <= %(now)s
  ORDER BY send_by LIMIT %(batch)s FOR UPDATE SKIP LOCKED))
RETURNING idempotency_key
"""
BEGIN = """
WITH claimed AS (
  UPDATE notification_schedule SET status = 'SENDING', attempt_count = 1, updated_at = %(now)s
  WHERE idempotency_key = ANY (%(keys)s) AND scheduled_at <= %(now)s
  RETURNING idempotency_key, tenant_id, scheduled_at, template
)
INSERT INTO notification_outbox (
  idempotency_key, tenant_id, attempt_number, scheduled_at, started_at, lease_until, channel, provider, sender,
  recipient, body_sha256, template)
SELECT
  idempotency_key, tenant_id, 1, scheduled_at, %(now)s, CAST(%(now)s AS timestamptz) + interval '2 minutes', 'EMAIL',
  'noop', 'a@clinic.test', 'b@clinic.test', sha256(''), template
FROM claimed
RETURNING attempt_id
"""
COMPLETE = """
WITH settled AS (
  UPDATE notification_outbox SET finished_at = %(now)s, outcome = 'ACCEPTED', provider_message_id = 'noop'
  WHERE attempt_id = ANY (%(attempts)s)
  RETURNING idempotency_key
)
UPDATE notification_schedule SET status = 'SENT', updated_at = %(now)s
WHERE idempotency_key = ANY (ARRAY(SELECT idempotency_key FROM settled)) AND scheduled_at <= %(now)s
"""


def work(now: str) -> int:
    done = 0
    with psycopg.connect(autocommit=True) as connection:
        while keys := column(connection.execute(CLAIM, {"now": now, "batch": BATCH}, prepare=True)):
            attempts = column(connection.execute(BEGIN, {"now": now, "keys": keys}, prepare=True))
            done += connection.execute(COMPLETE, {"now": now, "attempts": attempts}, prepare=True).rowcount
    return done


def column(cursor: "psycopg.Cursor[tuple[object]]") -> list[object]:
    return [row[0] for row in cursor]


def main(count: int, now: str) -> None:
    with Pool(2) as pool:
        pool.map(abs, [1, 2])  # both are up
        began = time.perf_counter()
        done = sum(pool.map(work, [now, now], chunksize=1))
        seconds = time.perf_counter() - began
    if done != count:
        raise RuntimeError(f"{done} of {count} rows were done")
    print(count / seconds)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
