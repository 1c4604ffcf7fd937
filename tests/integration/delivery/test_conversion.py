"""From reminder to action, counted over what was really sent and said."""

from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from typer.testing import CliRunner

from cli.main import app
from nolapse.api.acknowledge import record
from nolapse.domain.answers import Answer
from nolapse.domain.links import ACKNOWLEDGE
from nolapse.oversight.conversion import Conversion, conversion
from nolapse.runtime.bootstrap import runtime
from tests.integration.delivery.conftest import OPENS, Delivery
from tests.integration.delivery.test_acknowledge import link_in

WEEK = timedelta(days=7)


def answered(delivery: Delivery) -> None:
    """Five reminders of one tenant: one renewed at last, one in progress, one not mine; one of another tenant."""
    delivery.due(5, "lake")
    delivery.due(1, "river")
    delivery.send(OPENS)
    links, api = runtime().links, delivery.register.database.api
    told = {
        mail.to: link_in(mail).rpartition("/")[2] for mail in delivery.mail if mail.to != "ada1@clinic.test"
    }
    said = [("ada2", Answer.IN_PROGRESS, 1), ("ada2", Answer.RENEWED, 30), ("ada3", Answer.IN_PROGRESS, 3),
            ("ada4", Answer.NOT_MINE, 8)]  # fmt: skip
    for name, answer, hours in said:
        link = links.open_notification(ACKNOWLEDGE, told[f"{name}@clinic.test"], OPENS)
        assert record(api, link, answer, OPENS + timedelta(hours=hours))


def test_the_last_answer_counts_and_the_first_one_s_time(delivery: Delivery) -> None:
    answered(delivery)

    with delivery.register.database.engine.connect() as connection:
        found = conversion(connection, since=OPENS - WEEK, until=OPENS + WEEK)

    assert found == [
        Conversion("lake", "SECONDARY", 5, 1, 1, 1, timedelta(hours=3)),
        Conversion("river", "SECONDARY", 1, 0, 0, 0, None),
    ]
    assert [each.answered for each in found] == [3, 0]


def test_other_months_do_not_count(delivery: Delivery) -> None:
    answered(delivery)

    with delivery.register.database.engine.connect() as connection:
        assert conversion(connection, since=OPENS + timedelta(seconds=1), until=OPENS + WEEK) == []
        assert conversion(connection, since=OPENS - WEEK, until=OPENS) == []


def test_the_command_prints_them(delivery: Delivery) -> None:
    answered(delivery)
    database = delivery.register.database
    socket = quote(f"{database.postgres.socket}/.s.PGSQL.5432", safe="")
    days = (datetime.now(UTC) - OPENS).days + 2

    result = CliRunner().invoke(
        app,
        [
            "conversion", "--days", str(days),
            "--database", f"postgresql+pg8000://nolapse_engine:x@/{database.name}?unix_sock={socket}",
        ],
        env={"COLUMNS": "140"},
    )  # fmt: skip

    assert result.exit_code == 0, result.output
    assert "3 (60%)" in result.output
    assert "3.0 hours" in result.output
    assert "0 (0%)" in result.output
