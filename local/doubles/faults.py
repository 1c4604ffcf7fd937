"""What goes wrong between a sender and a vendor, to be injected into a double."""

import re
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from local.doubles.server import Exchange, Fault, Reply, answer_normally


class FaultQueue:
    """The next requests meet these, in order; those after them go well.

    `at` says which requests, by a pattern that is looked for in "METHOD path"; the others go well.
    """

    def __init__(self, at: str = "") -> None:
        self.at = at
        self._faults: deque[Fault] = deque()

    def inject(self, *faults: Fault) -> None:
        self._faults.extend(faults)

    def __call__(self) -> Fault:
        return self._meet

    def _meet(self, exchange: Exchange) -> None:
        fault: Fault = answer_normally
        if re.search(self.at, exchange.line):
            with suppress(IndexError):
                fault = self._faults.popleft()
        fault(exchange)


def answer(status: int, *, body: Any = None, headers: Mapping[str, str] | None = None) -> Fault:
    """The vendor answers so, and takes nothing."""

    def fault(exchange: Exchange) -> None:
        exchange.read()
        exchange.reply(Reply(status, body, headers or {}))

    return fault


def accept_then_answer(status: int, *, headers: Mapping[str, str] | None = None) -> Fault:
    """The vendor takes the message and answers so all the same, as a gateway's 502 may."""

    def fault(exchange: Exchange) -> None:
        exchange.process()
        exchange.reply(Reply(status, headers=headers or {}))

    return fault


def delay(seconds: float) -> Fault:
    def fault(exchange: Exchange) -> None:
        reply = exchange.process()
        exchange.stopping.wait(seconds)
        exchange.reply(reply)

    return fault


def trickle(interval: float) -> Fault:
    """The message is taken and the answer comes byte by byte, `interval` seconds apart."""

    def fault(exchange: Exchange) -> None:
        exchange.process()
        for byte in b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n":
            exchange.write(bytes([byte]))
            if exchange.stopping.wait(interval):
                return

    return fault


def reset_unread(exchange: Exchange) -> None:
    exchange.reset()


def reset_after_accept(exchange: Exchange) -> None:
    exchange.process()
    exchange.reset()


def close_after_accept(exchange: Exchange) -> None:
    exchange.process()
    exchange.write(b"")


def hang_after_accept(exchange: Exchange) -> None:
    exchange.process()
    exchange.stopping.wait()


def garble_after_accept(exchange: Exchange) -> None:
    exchange.process()
    exchange.write(b"\x15\x03\x01\x00\x02\x02\x16\r\n\r\n")


def cut_short_after_accept(exchange: Exchange) -> None:
    exchange.process()
    exchange.write(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{")
