"""procrastinate over psycopg: one worker, the best of CONCURRENCIES.

https://procrastinate.readthedocs.io
"""

import asyncio
import sys
import time

from procrastinate import App, PsycopgConnector

CONCURRENCIES = (2, 20)


async def main(count: int) -> None:
    app = App(connector=PsycopgConnector(min_size=2, max_size=20))
    done = 0

    @app.task(name="noop")
    async def noop(number: int) -> None:  # noqa: ARG001  what a task is given
        nonlocal done
        done += 1

    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        rates = []
        for concurrency in CONCURRENCIES:
            await noop.batch_defer_async(*({"number": number} for number in range(count)))
            done, began = 0, time.perf_counter()
            await app.run_worker_async(
                wait=False, concurrency=concurrency, listen_notify=False, install_signal_handlers=False
            )
            rates.append(count / (time.perf_counter() - began))
            if done != count:
                raise RuntimeError(f"{done} of {count} jobs were done")
    print(max(rates))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
