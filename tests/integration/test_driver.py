"""What the driver writes and reads for us, through the server and back."""

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from tests.conftest import Database

# PostgreSQL's text holds any character but the first.
TEXTS = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"])) | st.sampled_from(
    ["NULL", "null", "{}", "{", ",", '"', "\\", '\\"', "\\x00", " ", "\n", "a,b", ""]
)
MOMENT = datetime(2026, 11, 1, 1, 30, 0, 123456, tzinfo=UTC)


def echo(database: Database, kind: str, sent: list[Any]) -> Any:
    with database.engine.connect() as connection:
        return connection.scalar(text(f"SELECT CAST(:sent AS {kind}[])"), {"sent": sent})


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(TEXTS | st.none()))
def test_texts_come_back_as_they_went(database: Database, texts: list[str | None]) -> None:
    assert echo(database, "text", texts) == texts


@pytest.mark.parametrize(
    ("kind", "sent"),
    [
        ("uuid", [UUID(int=7), None]),
        ("bytea", [b"", b'\x00\\"{}', bytes(range(256)), None]),
        ("timestamptz", [MOMENT, None]),
        ("date", [date(2028, 2, 29)]),
        ("integer", [1, -1, None]),
        ("boolean", [True, False, None]),
        ("double precision", [0.5, -1e300]),
        ("text", [["a", '"'], ["NULL", "\\"]]),
    ],
)
def test_arrays_of_every_kind_come_back_as_they_went(database: Database, kind: str, sent: list[Any]) -> None:
    assert echo(database, kind, sent) == sent


def test_a_value_that_cannot_be_sent_costs_no_one_else_an_answer(database: Database) -> None:
    first_of_all = datetime.min.replace(tzinfo=timezone(timedelta(hours=14)))
    for number in range(3):
        with pytest.raises(OverflowError), database.engine.begin() as connection:
            connection.execute(text("SELECT CAST(:at AS timestamptz)"), {"at": first_of_all})

        with database.engine.connect() as connection:
            assert connection.scalar(text("SELECT CAST(:number AS integer)"), {"number": number}) == number
