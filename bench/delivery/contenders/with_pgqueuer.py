"""pgqueuer over asyncpg: two queue managers that drain; the best of BATCHES.

https://pgqueuer.readthedocs.io
"""

import asyncio
import sys
import time

import asyncpg
import uvloop
from pgqueuer import AsyncpgDriver, Job, Queries, QueueManager
from pgqueuer.types import QueueExecutionMode

BATCHES = (200, 1_000)
ENQUEUED_AT_ONCE = 10_000


async def main(count: int) -> None:
    await Queries(AsyncpgDriver(await asyncpg.connect())).install()
    print(max([await measure(count, batch) for batch in BATCHES]))


async def measure(count: int, batch: int) -> float:
    connection = await asyncpg.connect()
    queries = Queries(AsyncpgDriver(connection))
    for start in range(0, count, ENQUEUED_AT_ONCE):
        size = min(ENQUEUED_AT_ONCE, count - start)
        await queries.enqueue(["noop"] * size, [None] * size, [0] * size)
    await connection.execute("VACUUM ANALYZE pgqueuer")
    done = 0
    managers = [QueueManager(Queries(AsyncpgDriver(await asyncpg.connect()))) for _ in range(2)]
    for manager in managers:

        @manager.entrypoint("noop")
        async def noop(_: Job) -> None:
            nonlocal done
            done += 1

    began = time.perf_counter()
    await asyncio.gather(*(each.run(batch_size=batch, mode=QueueExecutionMode.drain) for each in managers))
    seconds = time.perf_counter() - began
    left = await connection.fetchval("SELECT count(*) FROM pgqueuer")
    if done != count or left:
        raise RuntimeError(f"{done} of {count} jobs were done, {left} are left")
    return count / seconds


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
