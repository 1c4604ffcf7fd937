"""Dead letters: what each was about, and redriven from the database without a message sent twice."""

import json
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from sqlalchemy.exc import ProgrammingError
from typer.testing import CliRunner

from cli.main import app
from nolapse.delivery.dead_letters import DeadLetterQueue, Finding, look, purge, redrive
from nolapse.runtime.bootstrap import runtime
from tests.integration.delivery.conftest import OPENS, Delivery

NAMES = {
    "EmailDlq": "nolapse-local-email-dlq",
    "ImportsDlq": "nolapse-local-imports-dlq",
    "SchedulesDlq": "nolapse-local-schedules-dlq",
}


def put(delivery: Delivery, *bodies: str, queue: str = "EmailDlq", **attributes: Any) -> None:
    for body in bodies:
        boto3.client("sqs").send_message(
            QueueUrl=delivery.running.stack.ref(queue), MessageBody=body, MessageAttributes=attributes
        )


def die(delivery: Delivery, licenses: int = 1) -> None:
    """Reminders put on the queue, whose messages end as dead letters."""
    delivery.due(licenses)
    delivery.scan(OPENS)
    messages = delivery.receive()
    assert len(delivery.opened(messages)) == licenses
    put(delivery, *(message["Body"] for message in messages))
    boto3.client("sqs").purge_queue(QueueUrl=delivery.running.stack.ref("EmailQueue"))


def queue(name: str = "EmailDlq") -> DeadLetterQueue:
    (found,) = (each for each in runtime().dead_letter_queues if each.name == NAMES[name])
    return found


def seen(delivery: Delivery, name: str = "EmailDlq") -> list[Finding]:
    with delivery.register.database.engine.connect() as connection:
        return look(connection, queue(name), now=delivery.clock.now(), most=100)


def redriven(delivery: Delivery, name: str = "EmailDlq", **how: int) -> Counter[tuple[str, str]]:
    how = {"most": 100, "per_second": 1000} | how
    found = redrive(
        delivery.register.database.engine, queue(name), who="grace", now=delivery.clock.now(), **how
    )
    return Counter((each.state, each.fate.value) for each in found)


def audited(delivery: Delivery, action: str) -> list[tuple[Any, ...]]:
    return delivery.register.rows(
        "SELECT actor, split_part(subject, ':', 1), tenant_id IS NOT NULL, reason FROM audit_log"
        " WHERE action = :action ORDER BY seq",
        action=action,
    )


def test_the_list_shows_ids_and_the_state_of_their_rows_and_takes_nothing(delivery: Delivery) -> None:
    die(delivery, 2)
    delivery.register.execute(
        "UPDATE notification_schedule SET status = 'PENDING', claimed_at = NULL"
        " WHERE status = 'QUEUED' AND license_id = (SELECT license_id FROM licenses LIMIT 1)"
    )

    found = seen(delivery)

    assert sorted((each.tenant, each.event, each.state, each.fate.value) for each in found) == [
        ("clinic", "SECONDARY", "PENDING", "dropped"),
        ("clinic", "SECONDARY", "QUEUED", "waits again"),
    ]
    assert queue().depth() == 1
    assert len(seen(delivery)) == 2


def test_what_is_still_queued_waits_again_and_is_sent_once(delivery: Delivery) -> None:
    die(delivery, 3)

    assert redriven(delivery) == {("QUEUED", "waits again"): 3}
    assert delivery.statuses() == {"PENDING": 3}
    assert queue().depth() == 0
    delivery.send(OPENS + timedelta(minutes=5))

    assert delivery.statuses() == {"SENT": 3}
    assert sorted(delivery.keys_sent().values()) == [1, 1, 1]
    assert (
        audited(delivery, "dlq.redriven")
        == [("grace", "notification", True, "nolapse-local-email-dlq: QUEUED, waits again")] * 3
    )


def test_what_is_settled_is_dropped(delivery: Delivery) -> None:
    die(delivery)
    delivery.catch_up(OPENS + timedelta(minutes=20))
    delivery.send()
    assert delivery.statuses() == {"SENT": 1}

    assert redriven(delivery) == {("SENT", "dropped"): 1}

    assert delivery.statuses() == {"SENT": 1}
    assert queue().depth() == 0


def test_a_letter_whose_row_was_claimed_anew_sends_nothing_twice(delivery: Delivery) -> None:
    die(delivery)
    delivery.catch_up(OPENS + timedelta(minutes=20))
    delivery.scan()

    assert redriven(delivery) == {("QUEUED", "waits again"): 1}
    delivery.send(OPENS + timedelta(minutes=21))

    assert sorted(delivery.keys_sent().values()) == [1]


def test_a_letter_deleted_too_late_is_dropped_the_next_time(delivery: Delivery) -> None:
    """As after a crash between the commit and the deletion."""
    die(delivery)
    (body,) = [message["Body"] for message in receive(delivery, "EmailDlq")]
    put(delivery, body)

    assert redriven(delivery) == {("QUEUED", "waits again"): 1}
    put(delivery, body)
    assert redriven(delivery) == {("PENDING", "dropped"): 1}
    assert delivery.statuses() == {"PENDING": 1}


def receive(delivery: Delivery, name: str) -> list[Any]:
    url, client = delivery.running.stack.ref(name), boto3.client("sqs")
    messages = client.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    for message in messages:
        client.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return list(messages)


def test_what_we_did_not_seal_is_left_until_it_is_purged(delivery: Delivery) -> None:
    die(delivery)
    put(delivery, "send a mail to everybody", '{"requestContext": "of nobody"}')

    assert redriven(delivery) == {("QUEUED", "waits again"): 1, ("FORGED", "left"): 2}
    assert [each.state for each in seen(delivery)] == ["FORGED", "FORGED"]

    listed = [each.letter.message_id for each in seen(delivery)]
    purged(delivery, listed)

    assert queue().depth() == 0
    assert (
        audited(delivery, "dlq.purged")
        == [("grace", "message", False, "nolapse-local-email-dlq: FORGED, left")] * 2
    )


@pytest.mark.parametrize(
    "said",
    [
        {"requestContext": {"functionArn": "x\0y"}},
        {"requestContext": {"functionArn": "x\ud800y"}},
        {"requestContext": {"functionArn": "arn:aws:lambda[/x]"}},
        {"requestContext": {"functionArn": 5}},
        "[" * 100_000,
    ],
)
def test_a_forged_lost_run_keeps_no_other_letter_from_being_seen_redriven_and_purged(
    delivery: Delivery, said: Any
) -> None:
    die(delivery)
    put(delivery, said if isinstance(said, str) else json.dumps(said))

    assert sorted(each.state for each in seen(delivery)) == ["FORGED", "QUEUED"]
    assert redriven(delivery) == {("QUEUED", "waits again"): 1, ("FORGED", "left"): 1}
    purged(delivery, [each.letter.message_id for each in seen(delivery)])

    assert queue().depth() == 0


def test_a_forged_attribute_names_no_function(delivery: Delivery) -> None:
    put(delivery, "{}", TARGET_ARN={"DataType": "Binary", "BinaryValue": b"x"})

    assert [each.state for each in seen(delivery)] == ["FORGED"]


def rename(delivery: Delivery, table: str, name: str) -> None:
    with delivery.register.database.owner.begin() as connection:
        connection.exec_driver_sql(f"ALTER TABLE {table} RENAME TO {name}")


def test_letters_that_could_not_be_judged_are_seen_again_at_once(delivery: Delivery) -> None:
    die(delivery)
    put(delivery, "forged")
    letters = [each.letter.message_id for each in seen(delivery)]
    for broken in (lambda: seen(delivery), lambda: redriven(delivery), lambda: purged(delivery, letters)):
        rename(delivery, "scheduler_heartbeat", "gone")
        with pytest.raises(ProgrammingError):
            broken()
        rename(delivery, "gone", "scheduler_heartbeat")

        assert sorted(each.state for each in seen(delivery)) == ["FORGED", "QUEUED"]


def purged(delivery: Delivery, listed: list[str]) -> None:
    purge(
        delivery.register.database.engine, queue(), listed, who="grace", now=OPENS, most=100, per_second=1000
    )


def test_a_purge_takes_what_was_listed_and_nothing_that_came_since(delivery: Delivery) -> None:
    put(delivery, "forged", "forged too")
    listed = [each.letter.message_id for each in seen(delivery)]
    put(delivery, *(f"came since {number}" for number in range(12)))

    purged(delivery, listed)

    assert queue().depth() == 12
    assert len(seen(delivery)) == 12
    assert len(audited(delivery, "dlq.purged")) == 2
    purged(delivery, listed)
    assert queue().depth() == 12


class TestLostImport:
    """A letter of one register: another register that came in says nothing of it."""

    ARN = "arn:aws:lambda:us-east-1:123456789012:function:nolapse-ImportRecordsFunction-AbCd:$LATEST"

    def lose(self, delivery: Delivery, key: Any) -> None:
        event = {"Records": [{"s3": {"bucket": {"name": "imports"}, "object": {"key": key}}}]}
        letter = {"requestContext": {"functionArn": self.ARN}, "requestPayload": event}
        put(delivery, json.dumps(letter), queue="ImportsDlq")

    def imported(self, delivery: Delivery, name: str, status: str = "DONE", slug: str = "clinic") -> None:
        # SQS stamps messages by the clock of the wall.
        delivery.register.execute(
            "INSERT INTO imports (tenant_id, source_name, sha256, status, mapping, started_at, finished_at, failure)"
            " SELECT tenant_id, :name, sha256('x'), :status, '{}', :at, :at,"
            " CASE CAST(:status AS text) WHEN 'FAILED' THEN 'KeyError' END FROM tenants WHERE slug = :slug",
            name=name,
            status=status,
            slug=slug,
            at=datetime.now(UTC) + timedelta(minutes=1),
        )

    def test_it_is_dropped_once_that_file_is_in(self, delivery: Delivery) -> None:
        delivery.register.tenant()
        delivery.register.tenant("another")
        self.lose(delivery, "incoming/clinic/2026/staff+of+november.csv")
        self.imported(delivery, "other.csv")
        self.imported(delivery, "staff of november.csv", "FAILED")
        self.imported(delivery, "staff of november.csv", slug="another")
        assert redriven(delivery, "ImportsDlq") == {("RUN LOST", "left"): 1}

        self.imported(delivery, "staff of november.csv")

        assert redriven(delivery, "ImportsDlq") == {("RUN SINCE", "dropped"): 1}
        assert queue("ImportsDlq").depth() == 0

    def test_a_letter_that_names_no_object_is_left(self, delivery: Delivery) -> None:
        delivery.register.tenant()
        self.lose(delivery, "elsewhere")
        self.imported(delivery, "elsewhere")
        assert redriven(delivery, "ImportsDlq") == {("RUN LOST", "left"): 1}

    @pytest.mark.parametrize(
        "key", ["incoming/clinic/a%00b.csv", "incoming/cli%00nic/a.csv", 5, ["incoming"]]
    )
    def test_a_letter_that_names_no_file_is_left(self, delivery: Delivery, key: Any) -> None:
        self.lose(delivery, key)
        assert redriven(delivery, "ImportsDlq") == {("RUN LOST", "left"): 1}


def test_a_lost_run_is_dropped_once_the_function_ran_to_its_end(delivery: Delivery) -> None:
    arn = "arn:aws:lambda:us-east-1:123456789012:function:nolapse-CatchUpFunction-AbCd"
    put(delivery, json.dumps({"requestContext": {"functionArn": f"{arn}:$LATEST"}}), queue="SchedulesDlq")
    put(delivery, "{}", queue="SchedulesDlq", TARGET_ARN={"DataType": "String", "StringValue": arn})
    # SQS stamps messages by the clock of the wall.
    delivery.scan(datetime.now(UTC) + timedelta(minutes=1))
    assert redriven(delivery, "SchedulesDlq") == {("RUN LOST", "left"): 2}

    delivery.catch_up()

    assert redriven(delivery, "SchedulesDlq") == {("RUN SINCE", "dropped"): 2}
    assert queue("SchedulesDlq").depth() == 0


def test_a_row_that_is_gone_has_nothing_to_wait_for(delivery: Delivery) -> None:
    die(delivery)
    delivery.register.execute("DELETE FROM notification_schedule")

    assert redriven(delivery) == {("GONE", "dropped"): 1}


def test_no_faster_than_it_is_told(delivery: Delivery) -> None:
    die(delivery, 100)
    put(delivery, "forged")
    began = time.monotonic()

    redriven(delivery, per_second=200)

    assert time.monotonic() - began >= 0.5


def test_no_more_than_it_is_told(delivery: Delivery) -> None:
    die(delivery, 50)

    assert redriven(delivery, most=2).total() == 20
    assert queue().depth() == 3


class TestCommand:
    @pytest.fixture
    def run(self, delivery: Delivery) -> Any:
        def run(*arguments: str, answer: str = "", status: int = 0) -> str:
            assert delivery.running
            result = CliRunner().invoke(
                app, ["dlq", *arguments], input=answer, env={"COLUMNS": "240"}, catch_exceptions=False
            )
            assert result.exit_code == status, result.output
            return result.output

        return run

    def test_list(self, delivery: Delivery, run: Any) -> None:
        die(delivery)
        put(delivery, "forged")
        ((key,),) = delivery.register.rows(
            "SELECT encode(idempotency_key, 'hex') FROM notification_schedule WHERE status = 'QUEUED'"
        )

        said = run("list")

        assert all(name in said for name in NAMES.values())
        for shown in (key, "clinic", "SECONDARY", "QUEUED", "waits again", "FORGED", "left"):
            assert shown in said

    def test_a_dry_run_changes_nothing(self, delivery: Delivery, run: Any) -> None:
        die(delivery)

        assert "Would be redriven" in run("redrive", "--dry-run")
        assert "Would be purged" in run("purge", "--queue", NAMES["EmailDlq"], "--dry-run")

        assert delivery.statuses() == {"QUEUED": 1}
        assert queue().depth() == 1
        assert audited(delivery, "dlq.redriven") == audited(delivery, "dlq.purged") == []

    def test_redrive(self, delivery: Delivery, run: Any) -> None:
        die(delivery)

        assert "waits again" in run("redrive", "--queue", NAMES["EmailDlq"], "--as", "grace")

        assert delivery.statuses() == {"PENDING": 1}
        assert [actor for actor, *_ in audited(delivery, "dlq.redriven")] == ["grace"]

    def test_purge_asks(self, delivery: Delivery, run: Any) -> None:
        die(delivery)

        run("purge", "--queue", NAMES["EmailDlq"], answer="n\n", status=1)
        assert queue().depth() == 1
        run("purge", "--queue", NAMES["EmailDlq"], answer="y\n")

        assert queue().depth() == 0
        assert delivery.statuses() == {"QUEUED": 1}

    def test_a_queue_that_is_not_there_is_refused_with_those_that_are(self, run: Any) -> None:
        assert "there is no dead-letter queue 'email'; there are nolapse-local-email-dlq" in run(
            "redrive", "--queue", "email", status=1
        )
