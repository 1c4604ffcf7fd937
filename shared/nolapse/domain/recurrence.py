"""When a medication is due: RFC 5545 recurrence (DTSTART;TZID, RRULE, EXDATE) by PyPI's `python-dateutil`.

Local time is expanded without a zone and only then converted, by the one rule of domain/zones.py. What the RFC leaves
open, and what a library silently makes something else of, is refused with the way to say it instead: a dose that
nobody is told of is worse than a form that is sent back. https://www.rfc-editor.org/rfc/rfc5545#section-3.3.10
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import pairwise
from zoneinfo import ZoneInfo

from dateutil.relativedelta import relativedelta
from dateutil.rrule import rrule, rrulestr

from nolapse.domain.errors import NolapseError
from nolapse.domain.zones import pinned_zone

FREQUENCIES = ("HOURLY", "DAILY", "WEEKLY", "MONTHLY", "YEARLY")
# Every month and every year has it.
LAST_SAFE_DAY = 28
# A rule may go on for ever: what it makes of its first doses shows how close they come.
LOOKED_AT = timedelta(days=62)
MOST_LOOKED_AT = 2000
# Of what starts or is left out: at the ends of the calendar, no zone can be reckoned with.
YEARS = range(1900, 2200)
LINE = re.compile(r"(?P<name>[A-Z]+)(?:;TZID=(?P<zone>[^:;]+))?:(?P<value>\S+)")
LOCAL = "%Y%m%dT%H%M%S"


class UnusableRecurrence(NolapseError):
    """`part` is DTSTART, RRULE or EXDATE."""

    def __init__(self, part: str, why: str) -> None:
        super().__init__(f"{part}: {why}")
        self.part = part


@dataclass(frozen=True)
class Recurrence:
    """`starts_at` and `exdates` are naive local times of `zone`; every start is an occurrence of its own rule."""

    starts_at: datetime
    zone: str
    rule: str
    exdates: Sequence[datetime] = ()

    def __post_init__(self) -> None:
        _refuse_traps(self)

    @classmethod
    def read(cls, text: str) -> "Recurrence":
        """From content lines: `DTSTART;TZID=…:…`, `RRULE:…` and any number of `EXDATE;TZID=…:…`.

        Raises UnusableRecurrence; UnknownZone.
        """
        lines: dict[str, list[re.Match[str]]] = {"DTSTART": [], "RRULE": [], "EXDATE": []}
        for line in filter(None, map(str.strip, text.splitlines())):
            match = LINE.fullmatch(line)
            if match is None or match["name"] not in lines:
                raise UnusableRecurrence(line.partition(":")[0][:20], "is no DTSTART, RRULE or EXDATE line")
            lines[match["name"]].append(match)
        for name in ("DTSTART", "RRULE"):
            if len(lines[name]) != 1:
                raise UnusableRecurrence(name, f"stands there {len(lines[name])} times: give it once")
        start = lines["DTSTART"][0]
        zone = start["zone"]
        if zone is None:
            raise UnusableRecurrence("DTSTART", "names no zone: write DTSTART;TZID=America/New_York:…")
        excluded = [
            _local("EXDATE", value, line["zone"], zone)
            for line in lines["EXDATE"]
            for value in line["value"].split(",")
        ]
        return cls(
            _local("DTSTART", start["value"], zone, zone), zone, lines["RRULE"][0]["value"], tuple(excluded)
        )

    def __str__(self) -> str:
        at = f";TZID={self.zone}:"
        lines = [f"DTSTART{at}{self.starts_at:{LOCAL}}", f"RRULE:{self.rule}"]
        if self.exdates:
            lines.append(f"EXDATE{at}" + ",".join(f"{each:{LOCAL}}" for each in self.exdates))
        return "\n".join(lines)

    @cached_property
    def parts(self) -> dict[str, str]:
        return dict(part.split("=", 1) for part in self.rule.upper().split(";"))

    @property
    def by_hours(self) -> bool:
        """Hours that pass, not hours that a clock shows: every six hours is so also when clocks change."""
        return self.parts["FREQ"] == "HOURLY"

    def occurrences(self, since: datetime) -> Iterator[tuple[str, datetime]]:
        """(nominal time, instant in UTC), in order of instants, from the first at or after `since` on.

        The nominal time is local (`2026-11-24T08:00:00`), or UTC (`2026-11-24T08:00:00Z`) where it recurs by hours.
        """
        return self._by_hours(since) if self.by_hours else self._by_the_clock(since)

    def _by_hours(self, since: datetime) -> Iterator[tuple[str, datetime]]:
        start = _instant(self.starts_at, pinned_zone(self.zone))
        excluded = {_instant(each, pinned_zone(self.zone)) for each in self.exdates}
        rule = _expanded(self, start, since)
        for at in rule.xafter(since, inc=True):
            if at not in excluded:
                yield f"{at:%Y-%m-%dT%H:%M:%SZ}", at

    def _by_the_clock(self, since: datetime) -> Iterator[tuple[str, datetime]]:
        zone, excluded = pinned_zone(self.zone), set(self.exdates)
        # An hour that a clock change skips makes of two local times one instant, or turns their order around.
        margin = timedelta(days=2)
        local_since = since.astimezone(zone).replace(tzinfo=None) - margin
        rule = _expanded(self, self.starts_at, local_since)
        waiting: list[tuple[datetime, datetime]] = []
        last = since - timedelta.resolution
        for local in rule.xafter(local_since, inc=True):
            while waiting and waiting[0][1] <= local - margin:
                at, nominal = waiting.pop(0)
                if at > last:
                    last = at
                    yield nominal.isoformat(), at
            if local not in excluded:
                waiting.append((_instant(local, zone), local))
                waiting.sort()
        for at, nominal in waiting:
            if at > last:
                last = at
                yield nominal.isoformat(), at


def least_gap(recurrence: Recurrence) -> timedelta | None:
    """The least time between two doses of the rule's first two months; None where there is but one."""
    zone = pinned_zone(recurrence.zone)
    start = _instant(recurrence.starts_at, zone)
    instants: list[datetime] = []
    for _, at in recurrence.occurrences(start):
        if at > start + LOOKED_AT or len(instants) > MOST_LOOKED_AT:
            break
        instants.append(at)
    return min((after - before for before, after in pairwise(instants)), default=None)


def _instant(local: datetime, zone: ZoneInfo) -> datetime:
    return local.replace(tzinfo=zone, fold=0).astimezone(UTC)


def _expanded(recurrence: Recurrence, start: datetime, since: datetime) -> rrule:
    """The rule from a start that lies whole intervals later, near `since`: dateutil walks every occurrence."""
    parts = dict(recurrence.parts)
    if "UNTIL" in parts:
        parts["UNTIL"] = _until(recurrence, start)
    if "COUNT" not in parts and since > start:
        start = _forwarded(start, since, parts["FREQ"], int(parts.get("INTERVAL", 1)))
    made = rrulestr(";".join(f"{name}={value}" for name, value in parts.items()), dtstart=start)
    if not isinstance(made, rrule):
        raise TypeError("one RRULE makes one rule")
    return made


def _forwarded(start: datetime, since: datetime, frequency: str, interval: int) -> datetime:
    if frequency in {"MONTHLY", "YEARLY"}:
        months = interval * (12 if frequency == "YEARLY" else 1)
        passed = (since.year - start.year) * 12 + since.month - start.month - 1
        return start + relativedelta(months=max(0, passed // months) * months)
    length = {"HOURLY": timedelta(hours=1), "DAILY": timedelta(days=1), "WEEKLY": timedelta(weeks=1)}[
        frequency
    ]
    return start + max(0, (since - start) // (length * interval) - 1) * length * interval


def _until(recurrence: Recurrence, start: datetime) -> str:
    """UNTIL is an instant in UTC; dateutil wants it as it wants the start: local, or in UTC."""
    until = datetime.strptime(recurrence.parts["UNTIL"], LOCAL + "Z").replace(tzinfo=UTC)
    if start.tzinfo is None:
        return f"{until.astimezone(pinned_zone(recurrence.zone)):{LOCAL}}"
    return recurrence.parts["UNTIL"]


def _local(part: str, value: str, named: str | None, zone: str) -> datetime:
    if named != zone:
        raise UnusableRecurrence(part, f"is not in DTSTART's zone: write {part};TZID={zone}:…")
    try:
        local = datetime.strptime(value, LOCAL)  # noqa: DTZ007  local by its very form
    except ValueError:
        raise UnusableRecurrence(part, "is no local date and time: write it as 20261124T080000") from None
    if local.year not in YEARS:
        raise UnusableRecurrence(part, f"lies outside of the years {YEARS[0]} to {YEARS[-1]}")
    return local


def _refuse_traps(recurrence: Recurrence) -> None:
    parts = _parts(recurrence.rule)
    frequency = parts.get("FREQ")
    if frequency not in FREQUENCIES:
        raise UnusableRecurrence(
            "RRULE",
            f"FREQ must be one of {', '.join(FREQUENCIES)}: for several times a day use DAILY with BYHOUR and BYMINUTE",
        )
    for name in ("INTERVAL", "COUNT"):
        if not re.fullmatch(r"[1-9]\d{0,3}", parts.get(name, "1")):
            raise UnusableRecurrence("RRULE", f"{name} must be a whole number from 1 to 9999")
    if "COUNT" in parts and "UNTIL" in parts:
        raise UnusableRecurrence("RRULE", "has COUNT and UNTIL, which exclude one another: remove one")
    if "UNTIL" in parts and not re.fullmatch(r"\d{8}T\d{6}Z", parts["UNTIL"]):
        raise UnusableRecurrence(
            "RRULE", "UNTIL must be in UTC where DTSTART has a zone: write it as 20261231T235959Z"
        )
    if "UNTIL" in parts and int(parts["UNTIL"][:4]) not in YEARS:
        raise UnusableRecurrence(
            "RRULE",
            f"UNTIL lies outside of the years {YEARS[0]} to {YEARS[-1]}: leave it out where there is no end",
        )
    if frequency == "HOURLY" and any(name.startswith("BY") for name in parts):
        raise UnusableRecurrence("RRULE", "HOURLY takes no BY part: for fixed times use DAILY with BYHOUR")
    # The RFC has a library take the month from DTSTART; dateutil takes every month.
    if frequency == "YEARLY" and "BYMONTHDAY" in parts and "BYMONTH" not in parts:
        raise UnusableRecurrence("RRULE", "a YEARLY rule with BYMONTHDAY would come every month: add BYMONTH")
    if "UNTIL" in parts and _until(recurrence, recurrence.starts_at) < f"{recurrence.starts_at:{LOCAL}}":
        raise UnusableRecurrence("RRULE", "UNTIL lies before DTSTART: nothing would ever be due")
    _refuse_skipped_days(parts, recurrence.starts_at)
    _refuse_a_start_off_the_rule(recurrence)


def _parts(rule: str) -> dict[str, str]:
    parts: dict[str, str] = {}
    for part in rule.split(";"):
        name, equals, value = part.partition("=")
        if not equals or not value or name in parts or part != part.upper():
            raise UnusableRecurrence(
                "RRULE", "must be NAME=VALUE parts in capitals, each once, joined by semicolons"
            )
        parts[name] = value
    return parts


def _refuse_skipped_days(parts: dict[str, str], start: datetime) -> None:
    """The RFC skips a month that lacks the day, and a year that lacks February 29: nobody is told then."""
    if parts["FREQ"] not in {"MONTHLY", "YEARLY"} or {"BYDAY", "BYYEARDAY", "BYWEEKNO"} & parts.keys():
        return
    days = parts.get("BYMONTHDAY", str(start.day)).split(",")
    short = parts["FREQ"] == "MONTHLY" or (parts.get("BYMONTH", str(start.month)) == "2")
    if short and any(re.fullmatch(r"\+?\d+", day) and int(day) > LAST_SAFE_DAY for day in days):
        raise UnusableRecurrence(
            "RRULE", "skips months that lack this day: for the last day of the month write BYMONTHDAY=-1"
        )


def _refuse_a_start_off_the_rule(recurrence: Recurrence) -> None:
    """The RFC leaves undefined what a start means that its rule does not make."""
    once = {name: value for name, value in recurrence.parts.items() if name not in {"COUNT", "UNTIL"}}
    once["UNTIL"] = f"{recurrence.starts_at:{LOCAL}}"
    try:
        made = list(
            rrulestr(
                ";".join(f"{name}={value}" for name, value in once.items()), dtstart=recurrence.starts_at
            )
        )
    except (ValueError, TypeError) as error:
        raise UnusableRecurrence("RRULE", f"is none of RFC 5545: {error}") from None
    if made != [recurrence.starts_at]:
        raise UnusableRecurrence("DTSTART", "is no occurrence of its RRULE: start on the first dose")
    if recurrence.starts_at.second or recurrence.starts_at.microsecond or "BYSECOND" in once:
        raise UnusableRecurrence("DTSTART", "a dose is due on the minute: leave seconds at 00")
    pinned_zone(recurrence.zone)
