"""Bare SQL over psycopg: a table made for claiming and completing in batches, two processes."""

import sys
import time
from multiprocessing import Pool

import psycopg

BATCH = 2_000
SETUP = """
CREATE TABLE jobs (id bigint PRIMARY KEY, due_at timestamptz NOT NULL, claimed_at timestamptz, done_at timestamptz)
WITH (fillfactor = 70);
CREATE INDEX jobs_to_claim ON jobs (due_at) WHERE claimed_at IS NULL;
INSERT INTO jobs (id, due_at) SELECT number, now() FROM generate_series(1, {count}) AS number;
"""
CLAIM = """
UPDATE jobs SET claimed_at = now()
WHERE id = ANY (ARRAY(
  SELECT id FROM jobs WHERE claimed_at IS NULL AND due_at <= now() ORDER BY due_at LIMIT %s FOR UPDATE SKIP LOCKED))
RETURNING id
"""
COMPLETE = "UPDATE jobs SET done_at = now() WHERE id = ANY (%s)"


def work(_: int) -> int:
    done = 0
    with psycopg.connect(autocommit=True) as connection:
        while ids := [row[0] for row in connection.execute(CLAIM, [BATCH], prepare=True)]:
            done += connection.execute(COMPLETE, [ids], prepare=True).rowcount
    return done


def main(count: int) -> None:
    with psycopg.connect(autocommit=True) as connection:
        connection.execute(SETUP.format(count=count))
        connection.execute("VACUUM ANALYZE jobs")
    with Pool(2) as pool:
        pool.map(abs, [1, 2])  # both are up
        began = time.perf_counter()
        done = sum(pool.map(work, [1, 2], chunksize=1))
        seconds = time.perf_counter() - began
    if done != count:
        raise RuntimeError(f"{done} of {count} jobs were done")
    print(count / seconds)


if __name__ == "__main__":
    main(int(sys.argv[1]))
