"""When a medication is due: RFC 5545 as brute force over days says it, and the traps that are refused."""

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise, takewhile

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nolapse.domain.recurrence import Recurrence, UnusableRecurrence, least_gap
from nolapse.domain.windows import to_utc

ZONES = [
    "America/New_York",
    "Europe/Berlin",
    "Asia/Kolkata",
    "Australia/Lord_Howe",
    "America/Sao_Paulo",
    "Africa/Casablanca",
]
WEEKDAYS = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"]
SINCE = datetime(2026, 3, 1, tzinfo=UTC)


def instants(recurrence: Recurrence, since: datetime, until: datetime) -> list[datetime]:
    return [at for _, at in takewhile(lambda each: each[1] < until, recurrence.occurrences(since))]


def lines(start: str, rule: str, *exdates: str, zone: str = "America/New_York") -> str:
    return "\n".join(
        [f"DTSTART;TZID={zone}:{start}", f"RRULE:{rule}", *(f"EXDATE;TZID={zone}:{each}" for each in exdates)]
    )


class TestByTheClock:
    @given(
        zone=st.sampled_from(ZONES),
        start=st.dates(date(2020, 1, 1), date(2028, 12, 31)),
        hours=st.sets(st.integers(0, 23), min_size=1, max_size=4),
        minute=st.sampled_from([0, 15, 30, 45]),
        weekdays=st.sets(st.sampled_from(WEEKDAYS), min_size=1) | st.none(),
        interval=st.integers(1, 9),
        offset=st.integers(-400, 900),
    )
    @example(
        zone="America/New_York",
        start=date(2026, 3, 8),
        hours={2, 3},
        minute=30,
        weekdays=None,
        interval=1,
        offset=0,
    )  # the skipped hour
    @example(
        zone="America/New_York",
        start=date(2026, 11, 1),
        hours={1},
        minute=30,
        weekdays=None,
        interval=1,
        offset=0,
    )  # the hour that comes twice
    def test_every_dose_of_every_day_and_no_other(
        self,
        *,
        zone: str,
        start: date,
        hours: set[int],
        minute: int,
        weekdays: set[str] | None,
        interval: int,
        offset: int,
    ) -> None:
        """Daily at some hours, on some weekdays: a day counts if its number, or its week's, is a multiple."""
        while weekdays and WEEKDAYS[start.weekday()] not in weekdays:
            start += timedelta(days=1)
        by = f"BYHOUR={','.join(map(str, sorted(hours)))};BYMINUTE={minute}"
        rule = (
            f"FREQ=WEEKLY;INTERVAL={interval};BYDAY={','.join(sorted(weekdays))};{by}"
            if weekdays
            else f"FREQ=DAILY;INTERVAL={interval};{by}"
        )
        first = datetime.combine(start, time(min(hours), minute))
        recurrence = Recurrence(first, zone, rule)
        since = to_utc(first, zone) + timedelta(days=offset)
        until = since + timedelta(days=40)

        monday = start - timedelta(days=start.weekday())
        wanted = set()
        for number in range((until.date() - start).days + 3):
            day = start + timedelta(days=number)
            counts = (
                WEEKDAYS[day.weekday()] in weekdays and (day - monday).days // 7 % interval == 0
                if weekdays
                else number % interval == 0
            )
            if counts:
                wanted |= {to_utc(datetime.combine(day, time(hour, minute)), zone) for hour in hours}
        assert instants(recurrence, since, until) == sorted(at for at in wanted if since <= at < until)

    def test_an_hour_that_is_skipped_makes_no_dose_twice(self) -> None:
        hours = ",".join(map(str, range(24)))
        recurrence = Recurrence.read(lines("20260307T003000", f"FREQ=DAILY;BYHOUR={hours};BYMINUTE=30"))
        night = instants(recurrence, datetime(2026, 3, 8, 5, tzinfo=UTC), datetime(2026, 3, 9, 4, tzinfo=UTC))
        assert len(night) == len(set(night)) == 23

    def test_a_rule_that_ends(self) -> None:
        counted = Recurrence.read(lines("20260301T080000", "FREQ=DAILY;COUNT=3"))
        ended = Recurrence.read(lines("20260301T080000", "FREQ=DAILY;UNTIL=20260303T130000Z"))
        for recurrence in (counted, ended):
            assert [each for each, _ in recurrence.occurrences(SINCE)] == [
                "2026-03-01T08:00:00", "2026-03-02T08:00:00", "2026-03-03T08:00:00",
            ]  # fmt: skip
            assert list(recurrence.occurrences(datetime(2026, 3, 4, tzinfo=UTC))) == []

    def test_what_is_excluded_is_not_due(self) -> None:
        recurrence = Recurrence.read(
            lines("20260301T080000", "FREQ=DAILY;COUNT=4", "20260302T080000,20260303T080000")
        )
        assert [each[8:10] for each, _ in recurrence.occurrences(SINCE)] == ["01", "04"]

    def test_the_last_day_of_every_month(self) -> None:
        recurrence = Recurrence.read(lines("20260131T080000", "FREQ=MONTHLY;BYMONTHDAY=-1"))
        found = instants(recurrence, datetime(2027, 12, 31, 20, tzinfo=UTC), datetime(2028, 4, 1, tzinfo=UTC))
        assert [f"{at:%m-%d}" for at in found] == ["01-31", "02-29", "03-31"]

    @given(st.integers(0, 4000))
    def test_starting_late_changes_nothing(self, days: int) -> None:
        """However far ahead one looks from, the rule is not expanded from its beginning, and is the same."""
        for rule in (
            "FREQ=MONTHLY;INTERVAL=5;BYDAY=2TU",
            "FREQ=YEARLY;BYMONTH=3,9;BYDAY=-1SU,2TU",
            "FREQ=DAILY;INTERVAL=11",
        ):
            start = {"M": "20160112T080000", "Y": "20160308T080000", "D": "20160101T080000"}[rule[5]]
            recurrence = Recurrence.read(lines(start, rule))
            since = to_utc(recurrence.starts_at, recurrence.zone)
            later, until = since + timedelta(days=days), since + timedelta(days=days + 800)
            assert instants(recurrence, later, until) == [
                at for at in instants(recurrence, since, until) if at >= later
            ]


class TestByHours:
    @given(st.integers(1, 48), st.integers(0, 3000))
    def test_the_interval_is_one_of_time_also_when_clocks_change(self, interval: int, hours: int) -> None:
        recurrence = Recurrence.read(lines("20260305T060000", f"FREQ=HOURLY;INTERVAL={interval}"))
        since = datetime(2026, 3, 5, 11, tzinfo=UTC) + timedelta(hours=hours)
        found = instants(recurrence, since, since + timedelta(days=10))
        first = datetime(2026, 3, 5, 11, tzinfo=UTC)
        assert found[0] - since < timedelta(hours=interval)
        assert all((at - first) % timedelta(hours=interval) == timedelta() for at in found)
        assert {b - a for a, b in pairwise(found)} <= {timedelta(hours=interval)}

    def test_it_is_named_in_utc(self) -> None:
        recurrence = Recurrence.read(lines("20261101T003000", "FREQ=HOURLY;COUNT=3", "20261101T013000"))
        # The first 01:30 is excluded; the second is another instant.
        assert [each for each, _ in recurrence.occurrences(SINCE)] == [
            "2026-11-01T04:30:00Z",
            "2026-11-01T06:30:00Z",
        ]


@pytest.mark.parametrize(
    ("start", "rule", "part", "said"),
    [
        ("20240229T080000", "FREQ=YEARLY;BYMONTHDAY=29", "RRULE", "add BYMONTH"),
        ("20240229T080000", "FREQ=YEARLY", "RRULE", "BYMONTHDAY=-1"),
        ("20240131T080000", "FREQ=MONTHLY", "RRULE", "BYMONTHDAY=-1"),
        ("20240131T080000", "FREQ=MONTHLY;BYMONTHDAY=15,31", "RRULE", "BYMONTHDAY=-1"),
        ("20260301T080000", "FREQ=MINUTELY;INTERVAL=90", "RRULE", "use DAILY with BYHOUR"),
        ("20260301T080000", "FREQ=HOURLY;BYHOUR=8,20", "RRULE", "use DAILY with BYHOUR"),
        ("20260301T080000", "FREQ=DAILY;COUNT=3;UNTIL=20260401T000000Z", "RRULE", "remove one"),
        ("20260301T080000", "FREQ=DAILY;UNTIL=20260401", "RRULE", "must be in UTC"),
        ("20260301T080000", "FREQ=DAILY;UNTIL=20260201T000000Z", "RRULE", "before DTSTART"),
        ("20260301T080000", "FREQ=DAILY;BYHOUR=9", "DTSTART", "start on the first dose"),
        ("20260301T080000", "FREQ=DAILY;BYHOUR=25", "RRULE", "none of RFC 5545"),
        ("20260301T080000", "FREQ=DAILY;SKIP=FORWARD", "RRULE", "none of RFC 5545"),
        ("20260301T080000", "FREQ=DAILY;INTERVAL=0", "RRULE", "from 1 to 9999"),
        ("20260301T080000", "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30", "DTSTART", "start on the first dose"),
        ("20260301T080030", "FREQ=DAILY", "DTSTART", "leave seconds at 00"),
        ("20260301", "FREQ=DAILY", "DTSTART", "20261124T080000"),
        ("20260301T080000", "freq=daily", "RRULE", "in capitals"),
        ("20260301T080000", "FREQ=DAILY;FREQ=WEEKLY", "RRULE", "each once"),
        ("99991231T080000", "FREQ=DAILY", "DTSTART", "1900 to 2199"),
        ("20260301T080000", "FREQ=DAILY;UNTIL=99991231T235959Z", "RRULE", "leave it out"),
        ("20260301T080000", "FREQ=DAILY;UNTIL=00010101T000000Z", "RRULE", "leave it out"),
        ("20260301T080000", "EVERY DAY", "RRULE", "no DTSTART, RRULE or EXDATE line"),
    ],
)
def test_a_trap_is_refused_with_the_way_around_it(start: str, rule: str, part: str, said: str) -> None:
    with pytest.raises(UnusableRecurrence, match=said) as refused:
        Recurrence.read(lines(start, rule))
    assert refused.value.part == part


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("RRULE:FREQ=DAILY", "DTSTART: stands there 0 times"),
        (lines("20260301T080000", "FREQ=DAILY") + "\nRRULE:FREQ=DAILY", "RRULE: stands there 2 times"),
        ("DTSTART:20260301T080000\nRRULE:FREQ=DAILY", "names no zone"),
        (
            lines("20260301T080000", "FREQ=DAILY") + "\nEXDATE:20260302T080000",
            "EXDATE: is not in DTSTART's zone",
        ),
        (lines("20260301T080000", "FREQ=DAILY") + "\nRDATE:20260302T080000", "RDATE: is no DTSTART"),
    ],
)
def test_lines_that_do_not_hold_together(text: str, said: str) -> None:
    with pytest.raises(UnusableRecurrence, match=said):
        Recurrence.read(text)


def test_what_was_read_is_written_again() -> None:
    text = lines("20260301T080000", "FREQ=DAILY;BYHOUR=8,20", "20260302T080000,20260305T200000")
    assert str(Recurrence.read(text)) == text


def test_how_close_doses_come() -> None:
    assert least_gap(Recurrence.read(lines("20260301T080000", "FREQ=DAILY;BYHOUR=8,14,20"))) == timedelta(
        hours=6
    )
    assert least_gap(Recurrence.read(lines("20260301T080000", "FREQ=DAILY;COUNT=1"))) is None
