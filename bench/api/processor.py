"""Processor seconds that the processes of a bench have used, by who they are."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

TICKS = os.sysconf("SC_CLK_TCK")


class Used(NamedTuple):
    shim: float
    handlers: float
    postgres: float


def used(stack: int, server: int) -> Used:
    """`stack`: the process of the shim, whose children are the handlers'; `server`: PostgreSQL's first process."""
    found = {pid: (parent, seconds) for pid, parent, seconds in _processes()}
    below = {
        whose: sum(seconds for parent, seconds in found.values() if parent == whose)
        for whose in (stack, server)
    }
    return Used(found[stack][1], below[stack], below[server] + found[server][1])


def _processes() -> Iterator[tuple[int, int, float]]:
    """(pid, parent, seconds): https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        yield int(path.parent.name), int(fields[1]), sum(map(int, fields[11:13])) / TICKS
