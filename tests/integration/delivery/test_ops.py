"""Operators told of what was given up and of what they are told instead of people: once, by ids and counts."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest

from local.doubles import faults
from local.doubles.faults import FaultQueue
from local.doubles.received import ReceivedNotice
from nolapse.delivery.flags import FileStore, Flags
from nolapse.delivery.ops import LEASE, MOST_KEYS, MOST_TRIES, gather, tell
from nolapse.delivery.scan import scan
from nolapse.providers.slack import Slack
from nolapse.runtime.bootstrap import runtime
from tests.integration.conftest import Register
from tests.integration.delivery.conftest import OPENS, Delivery, delivering

HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Operators:
    delivery: Delivery
    slack: FaultQueue
    teams: FaultQueue

    def seen(self, channel: str = "slack") -> list[ReceivedNotice]:
        return self.delivery.running.ops[channel].messages()

    def give_up(self, people: int = 1, slug: str = "clinic", *, at: Any = OPENS) -> None:
        """Reminders that the provider refuses for good."""
        self.delivery.due(people, slug)
        self.delivery.faults.inject(*[faults.answer(400)] * people)
        self.delivery.send(at)

    def notices(self) -> list[tuple[Any, ...]]:
        return self.delivery.register.rows(
            "SELECT provider, outcome, code, attempts FROM ops_notices ORDER BY provider, created_at"
        )


@pytest.fixture
def operators(register: Register, tmp_path: Path) -> Iterator[Operators]:
    slack, teams = FaultQueue(), FaultQueue()
    with delivering(register, tmp_path / "mail.sqlite", {"slack": slack, "teams": teams}) as delivery:
        yield Operators(delivery, slack, teams)


class TestGivenUp:
    def test_one_notice_per_run_and_tenant_on_every_channel(self, operators: Operators) -> None:
        operators.give_up(3)
        operators.give_up(2, "another")

        counts = operators.delivery.catch_up(OPENS + HOUR)

        assert (counts["given_up"], counts["ops_told"], counts["ops_failed"]) == (5, 4, 0)
        for channel in ("slack", "teams"):
            assert sorted(notice.title for notice in operators.seen(channel)) == [
                "another: 2 reminders given up", "clinic: 3 reminders given up",
            ]  # fmt: skip
            assert {"SECONDARY: rejected: sendgrid:400": "3"} in [
                each.facts for each in operators.seen(channel)
            ]

    def test_each_is_told_of_once_however_often_runs_come(self, operators: Operators) -> None:
        operators.give_up()
        for hours in (1, 2, 3):
            operators.delivery.catch_up(OPENS + hours * HOUR)
        assert len(operators.seen()) == 1

        operators.give_up(2, "another", at=OPENS + HOUR)
        operators.delivery.catch_up(OPENS + 4 * HOUR)
        assert [notice.title for notice in operators.seen()][1:] == ["another: 2 reminders given up"]

    def test_nothing_of_a_person_is_in_it(self, operators: Operators) -> None:
        operators.give_up()
        operators.delivery.catch_up(OPENS + HOUR)
        said = json.dumps([notice.request for c in ("slack", "teams") for notice in operators.seen(c)])
        ((key,),) = operators.delivery.register.rows(
            "SELECT encode(idempotency_key, 'hex') FROM notification_schedule WHERE status = 'DEFERRED'"
        )
        assert key in said
        assert "nolapse resend --tenant clinic" in said
        for word in ("Ada 1", "ada1", "@", "RN-", "license"):
            assert word not in said

    def test_many_are_counted_and_some_are_named(self, operators: Operators) -> None:
        operators.give_up(MOST_KEYS + 2)
        operators.delivery.catch_up(OPENS + HOUR)
        (notice,) = operators.seen()
        assert notice.title == f"clinic: {MOST_KEYS + 2} reminders given up"
        assert "and 2 more" in notice.text

    def test_without_a_channel_the_log_and_the_metric_say_it(
        self, delivery: Delivery, capsys: pytest.CaptureFixture[str]
    ) -> None:
        delivery.due()
        delivery.faults.inject(faults.answer(400))
        delivery.send(OPENS)
        capsys.readouterr()

        counts = delivery.catch_up(OPENS + HOUR)

        assert (counts["given_up"], counts["ops_told"]) == (1, 0)
        assert delivery.register.rows("SELECT count(*) FROM ops_notices") == [(0,)]
        assert delivery.catch_up(OPENS + 2 * HOUR)["given_up"] == 0


class TestInstead:
    def test_ops_only_tells_operators_and_not_the_person(self, operators: Operators, tmp_path: Path) -> None:
        delivery = operators.delivery
        delivery.due(3)
        document = tmp_path / "flags.json"
        document.write_text(json.dumps({"rehearsal": {"default": "OPS_ONLY", "boolean_type": False}}))
        flags = Flags(FileStore(document), pytest.fail)
        delivery.clock.move_to(OPENS)
        scan(
            delivery.register.database.engine,
            delivery.queue,
            flags,
            now=OPENS,
            limit=100,
            correlation_id="scan",
        )
        delivery.dispatch()

        counts = delivery.catch_up(OPENS + HOUR)

        assert (counts["instead"], delivery.mail) == (3, [])
        assert delivery.statuses() == {"SUPPRESSED": 3}
        for channel in ("slack", "teams"):
            (notice,) = operators.seen(channel)
            assert notice.title == "clinic: 3 reminders told here instead of to people"
            assert notice.facts == {"SECONDARY: flag: rehearsal, ops only": "3"}

    def test_a_flag_that_only_holds_back_tells_nobody(self, operators: Operators, tmp_path: Path) -> None:
        delivery = operators.delivery
        delivery.due()
        document = tmp_path / "flags.json"
        document.write_text(json.dumps({"pilot": {"default": "HOLD_BACK", "boolean_type": False}}))
        flags = Flags(FileStore(document), pytest.fail)
        scan(
            delivery.register.database.engine,
            delivery.queue,
            flags,
            now=OPENS,
            limit=100,
            correlation_id="scan",
        )
        delivery.catch_up(OPENS + HOUR)
        assert operators.seen() == []


class TestTrouble:
    def test_what_was_not_taken_comes_with_the_next_run(self, operators: Operators) -> None:
        operators.give_up()
        operators.slack.inject(faults.answer(429))
        counts = operators.delivery.catch_up(OPENS + HOUR)
        assert (counts["ops_told"], counts["ops_failed"]) == (1, 1)
        assert (operators.seen("slack"), len(operators.seen("teams"))) == ([], 1)

        operators.delivery.catch_up(OPENS + 2 * HOUR)
        assert (len(operators.seen("slack")), len(operators.seen("teams"))) == (1, 1)
        assert operators.notices() == [("slack", "ACCEPTED", None, 2), ("teams", "ACCEPTED", None, 1)]

    def test_a_channel_that_is_down_is_knocked_at_once_a_run(self, operators: Operators) -> None:
        operators.give_up()
        operators.give_up(1, "another")
        operators.slack.inject(*[faults.answer(503)] * 2)
        operators.delivery.catch_up(OPENS + HOUR)
        assert sum(attempts for provider, _, _, attempts in operators.notices() if provider == "slack") == 1

    def test_a_lost_answer_is_told_again_under_the_same_id(self, operators: Operators) -> None:
        """No chat can be asked: twice, and both times the same notice."""
        operators.give_up()
        operators.slack.inject(faults.reset_after_accept)
        operators.delivery.catch_up(OPENS + HOUR)
        operators.delivery.catch_up(OPENS + 2 * HOUR)
        operators.delivery.catch_up(OPENS + 3 * HOUR)
        first, second = operators.seen()
        assert (first.title, first.text, first.facts) == (second.title, second.text, second.facts)

    def test_a_run_that_died_while_it_told_leaves_a_lease_that_runs_out(self, operators: Operators) -> None:
        operators.give_up()
        engine = operators.delivery.register.database.engine
        gather(engine, ["slack"], now=OPENS + HOUR)
        operators.delivery.register.execute(
            "UPDATE ops_notices SET attempts = 1, lease_until = :until", until=OPENS + HOUR + LEASE
        )
        operators.delivery.catch_up(OPENS + HOUR + LEASE / 2)
        assert operators.seen() == []
        operators.delivery.catch_up(OPENS + HOUR + LEASE)
        assert len(operators.seen()) == 1

    def test_what_is_gathered_and_rolled_back_is_gathered_again(self, operators: Operators) -> None:
        operators.give_up()
        engine = operators.delivery.register.database.engine
        # Nobody is told by nobody: the notice can't be made, and the cursor stays.
        with pytest.raises(Exception, match="ops_notices_provider_check"):
            gather(engine, [""], now=OPENS)
        (told,) = gather(engine, ["slack"], now=OPENS)
        assert told.total == 1
        assert gather(engine, ["slack"], now=OPENS) == []

    @pytest.mark.parametrize("url", ["hooks.slack.com/services/x", "https://[x/", "https://hooks.test:abc/"])
    def test_an_address_that_is_none_takes_no_other_channel_along(
        self, operators: Operators, url: str
    ) -> None:
        operators.give_up()
        engine = operators.delivery.register.database.engine
        gather(engine, ["slack", "teams"], now=OPENS)
        channels = [Slack(url, 2), *(each for each in runtime().ops if each.name == "teams")]

        assert tell(engine, channels, now=OPENS) == {"ops_told": 1, "ops_failed": 1}

        (slack, teams) = operators.notices()
        assert (slack[:2], teams[:2]) == (("slack", None), ("teams", "ACCEPTED"))
        assert slack[2].startswith("slack:")

    @pytest.mark.parametrize("secret", ['{"slack": "https://[x/"}', '{"slack": 5}', "{"])
    def test_a_secret_that_makes_no_sense_ends_no_run(self, operators: Operators, secret: str) -> None:
        operators.give_up()
        boto3.client("secretsmanager").put_secret_value(
            SecretId=runtime().settings.ops_secret_id, SecretString=secret
        )

        counts = operators.delivery.catch_up(OPENS + HOUR)

        assert (counts["ops_told"], counts["ops_failed"]) == (0, 1)
        assert operators.delivery.register.rows(
            "SELECT finished_at IS NOT NULL FROM scheduler_heartbeat WHERE function = 'catch_up'"
        ) == [(True,)]

    def test_what_nobody_could_be_told_is_told_once_the_secret_is_put_right(
        self, operators: Operators
    ) -> None:
        operators.give_up()
        secrets, which = boto3.client("secretsmanager"), runtime().settings.ops_secret_id
        good = secrets.get_secret_value(SecretId=which)["SecretString"]
        secrets.put_secret_value(SecretId=which, SecretString="{")
        operators.delivery.catch_up(OPENS + HOUR)
        secrets.put_secret_value(SecretId=which, SecretString=good)

        counts = operators.delivery.catch_up(OPENS + 2 * HOUR)

        assert (counts["given_up"], counts["ops_told"], counts["ops_failed"]) == (1, 2, 0)

    def test_it_is_not_tried_for_ever(self, operators: Operators) -> None:
        operators.give_up()
        operators.delivery.catch_up(OPENS + HOUR)
        operators.delivery.register.execute(
            "UPDATE ops_notices SET outcome = NULL, attempts = :tries, lease_until = NULL WHERE provider = 'slack'",
            tries=MOST_TRIES - 1,
        )
        operators.slack.inject(faults.answer(404))
        operators.delivery.catch_up(OPENS + 2 * HOUR)
        assert operators.notices()[0] == ("slack", "GIVEN_UP", "slack:404", MOST_TRIES)


def test_the_runtime_tells_by_the_channels_that_the_secret_names(operators: Operators) -> None:
    assert operators.delivery
    assert [provider.name for provider in runtime().ops] == ["slack", "teams"]
