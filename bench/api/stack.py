"""The local stack over the bench's base, as `make up` runs its API: until the standard input ends.

Its standard output is the log of the handlers. Writes its URL to the file of the second argument once it answers.
"""

import sys
from pathlib import Path

from local.clock import SystemClock
from local.http import Api, HttpServer
from local.postgres import Postgres
from local.stack import running

DATABASE = "bench"
PLENTY = "1000000000"


def main(socket: str, ready: Path) -> None:
    with (
        running(
            Postgres(socket, None),
            DATABASE,
            mail=ready.with_name("mail.sqlite"),
            clock=SystemClock(),
            parameters={"ApiPerMinute": PLENTY, "ApiPerTenantMinute": PLENTY},
        ) as stack,
        HttpServer(Api(stack.stack.routes, stack.functions), port=0) as server,
    ):
        ready.write_text(server.url, encoding="utf-8")
        sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
