"""What is done by hand in bulk leaves room for what is due: so many a second and no more."""

import time


class Throttle:
    """`take(n)` returns once n more may go: at most `per_second` of them in any second since it was made."""

    def __init__(self, per_second: int) -> None:
        self._per_second = per_second
        self._free_at = time.monotonic()

    def take(self, count: int) -> None:
        time.sleep(max(0.0, self._free_at - time.monotonic()))
        self._free_at = max(self._free_at, time.monotonic()) + count / self._per_second
