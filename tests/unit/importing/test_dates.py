"""Dates as registers write them: every shape gives its day back; what may be read two ways is not read."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nolapse.domain.dates import (
    EXCEL_EPOCH,
    Dated,
    DateOrder,
    Undated,
    Unreadable,
    possible_orders,
    read_date,
)

DAYS = st.dates(date(1970, 1, 1), date(2099, 12, 31))
# (how a day is written, the order its column must have decided)
SHAPES = [
    ("{0:%Y-%m-%d}", None),
    ("{0:%Y/%m/%d}", None),
    ("{0.year}-{0.month}-{0.day}", None),
    ("{0:%Y-%m-%d}T00:00:00.000", None),
    ("{0:%Y-%m-%d}T00:00:00Z", None),
    ("{0:%Y-%m-%d}T23:59:59Z", None),
    ("{0:%Y-%m-%d}T09:30:00-05:00", None),
    ("{0:%Y-%m-%d} 0:00:00", None),
    ("{0:%Y-%m-%d} 9:28:06", None),
    ("{0:%Y%m%d}", None),
    ("{0:%B} {0.day}, {0.year}", None),
    ("{0:%b} {0.day} {0.year}", None),
    ("{0:%A}, {0:%B} {0.day}, {0.year}", None),
    ("{0.day} {0:%b} {0.year}", None),
    ("{0:%d-%b-%Y}", None),
    ("{0.day} {0:%B}, {0.year}", None),
    ("{0:%m/%d/%Y}", DateOrder.MONTH_FIRST),
    ("{0:%m-%d-%Y}", DateOrder.MONTH_FIRST),
    ("{0.month}/{0.day}/{0.year} 12:00:00 AM", DateOrder.MONTH_FIRST),
    ("{0:%d/%m/%Y}", DateOrder.DAY_FIRST),
    ("{0:%d.%m.%Y}", DateOrder.DAY_FIRST),
]


@pytest.mark.parametrize(("shape", "order"), SHAPES)
@given(day=DAYS)
def test_every_shape_gives_its_day_back(shape: str, order: DateOrder | None, day: date) -> None:
    assert read_date(shape.format(day), order) == Dated(day)


@given(day=DAYS)
def test_excel_serial_numbers(day: date) -> None:
    serial = (day - EXCEL_EPOCH).days
    assert read_date(str(serial)) == read_date(f"{serial}.0") == Dated(day)


def test_excel_serials_count_from_where_excel_does() -> None:
    # Microsoft's own example for DATEVALUE: 22 August 2011 is 40777.
    assert read_date("40777") == Dated(date(2011, 8, 22))


@given(day=st.dates(date(1970, 1, 1), date(2069, 12, 31)))
def test_years_of_two_digits_lie_between_1970_and_2069(day: date) -> None:
    assert read_date(f"{day:%m/%d/%y}", DateOrder.MONTH_FIRST) == Dated(day)
    assert read_date(f"{day:%d-%b-%y}") == Dated(day)
    assert read_date(f"{day:%y-%m-%d}", DateOrder.YEAR_FIRST) == Dated(day)


@given(day=DAYS, order=st.sampled_from([DateOrder.MONTH_FIRST, DateOrder.DAY_FIRST]))
def test_without_an_order_a_day_is_read_rightly_or_not_at_all(day: date, order: DateOrder) -> None:
    text = f"{day:%m/%d/%Y}" if order is DateOrder.MONTH_FIRST else f"{day:%d/%m/%Y}"
    ambiguous = day.day <= 12 and day.day != day.month
    assert read_date(text) == (
        Unreadable("may be read in more than one order: write it as YYYY-MM-DD") if ambiguous else Dated(day)
    )
    assert order in possible_orders(text)
    assert (len(possible_orders(text)) == 1) == (day.day > 12)


@given(st.text())
def test_any_text_gets_an_answer(text: str) -> None:
    for order in (None, *DateOrder):
        assert isinstance(read_date(text, order), Dated | Undated | Unreadable)
    assert isinstance(possible_orders(text), frozenset)


def test_a_short_year_in_front_is_not_mistaken_for_a_day() -> None:
    assert possible_orders("25/07/01") == {DateOrder.DAY_FIRST, DateOrder.YEAR_FIRST}
    assert possible_orders("12/31/25") == {DateOrder.MONTH_FIRST}


@pytest.mark.parametrize(
    "text", ["", "  ", "null", "N/A", "NONE", "Not Supplied", "0000-00-00", "00/00/0000"]
)
def test_blanks_say_nothing(text: str) -> None:
    assert read_date(text) == Undated(text.strip(), endless=False)


@pytest.mark.parametrize("text", ["OPEN", "Perpetual", "9999-12-31", "12/31/9999", "9999-12-31T00:00:00"])
def test_some_licences_never_run_out(text: str) -> None:
    assert read_date(text, DateOrder.MONTH_FIRST) == Undated(text, endless=True)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("00/31/1994", "is no day of the calendar: correct it"),
        ("02/30/2026", "is no day of the calendar: correct it"),
        ("20261301", "is no day of the calendar: correct it"),
        ("12/31/1906", "lies outside the years 1970 to 2099: correct it, or write PERPETUAL"),
        ("2207-01-31", "lies outside the years 1970 to 2099: correct it, or write PERPETUAL"),
        ("June 2026", "has no day: write it as YYYY-MM-DD"),
        ("06/2026", "has no day: write it as YYYY-MM-DD"),
        ("Juno 1, 2026", "names no month of the calendar: correct it"),
        ("soon", "is not a date in any known form: write it as YYYY-MM-DD"),
        (
            "2026-03-30T22:00:00Z",
            "is an instant in UTC, and its day depends on a time zone: give the date alone",
        ),
    ],
)
def test_what_is_no_date_says_why(text: str, reason: str) -> None:
    assert read_date(text, DateOrder.MONTH_FIRST) == Unreadable(reason)


def test_leap_days_exist_in_leap_years_only() -> None:
    assert read_date("2028-02-29") == Dated(date(2028, 2, 29))
    assert read_date("2027-02-29") == Unreadable("is no day of the calendar: correct it")
    assert read_date((date(2028, 2, 29) + timedelta(days=366)).isoformat()) == Dated(date(2029, 3, 1))
