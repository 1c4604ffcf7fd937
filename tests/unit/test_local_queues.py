import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

import pytest

from local.lambda_runtime import FunctionError, Functions
from local.queues import EventSource, InvalidBatchResponseError, Polled
from local.resources import Cloud, create_stack
from local.template import Stack, Template

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

TEMPLATE = """
Parameters:
  Pollers: {Type: Number, Default: 2}
  Secret: {Type: String}
Globals:
  Function:
    Handler: handler.handler
    MemorySize: 128
    Timeout: 10
    Environment:
      Variables:
        WORK_QUEUE_URL: !Ref Work
        SECRET_ID: !Ref Secret
        RETRIES: 3
Resources:
  Work:
    Type: AWS::SQS::Queue
    Properties:
      QueueName: !Sub ${AWS::StackName}-work
      VisibilityTimeout: 1
      ReceiveMessageWaitTimeSeconds: 20
      RedrivePolicy: {deadLetterTargetArn: !GetAtt Dead.Arn, maxReceiveCount: 2}
  Dead:
    Type: AWS::SQS::Queue
    Properties:
      QueueName: !Sub ${AWS::StackName}-dead
      MessageRetentionPeriod: 1209600
      RedriveAllowPolicy:
        redrivePermission: byQueue
        sourceQueueArns:
          - !Sub arn:${AWS::Partition}:sqs:${AWS::Region}:${AWS::AccountId}:${AWS::StackName}-work
  Worker:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: worker/
      Events:
        Queued:
          Type: SQS
          Properties:
            Queue: !GetAtt Work.Arn
            BatchSize: 10
            FunctionResponseTypes: [ReportBatchItemFailures]
            ScalingConfig: {MaximumConcurrency: !Ref Pollers}
"""

HANDLER = """
import json
from pathlib import Path

journal = Path(__file__).with_name("journal.jsonl")


def handler(event, context):
    records = event["Records"]
    with journal.open("a") as out:
        out.writelines(json.dumps(record) + "\\n" for record in records)
    orders = {record["messageId"]: json.loads(record["body"]) for record in records}
    if "crash" in orders.values():
        raise RuntimeError
    if "answer nonsense" in orders.values():
        return {"batchItemFailures": [{"id": "x"}]}
    if "name a stranger" in orders.values():
        return {"batchItemFailures": [{"itemIdentifier": "stranger"}]}
    return {"batchItemFailures": [{"itemIdentifier": i} for i, order in orders.items() if order == "fail"]}
"""


class Workshop:
    def __init__(self, stack: Stack, cloud: Cloud, functions: Functions) -> None:
        self.stack = stack
        self.sqs: SQSClient = cloud.sqs()
        (trigger,) = stack.queue_triggers
        self.source = EventSource(trigger, stack, functions, self.sqs, pollers=4)

    def send(self, *orders: object) -> None:
        for order in orders:
            self.sqs.send_message(
                QueueUrl=self.stack.ref("Work"),
                MessageBody=json.dumps(order),
                MessageGroupId="tenant-1",
                MessageAttributes={"kind": {"DataType": "String", "StringValue": "toy"}},
            )

    def visible(self, queue: str) -> list[str]:
        answer = self.sqs.receive_message(
            QueueUrl=self.stack.ref(queue), MaxNumberOfMessages=10, VisibilityTimeout=0, WaitTimeSeconds=0
        )
        return [json.loads(message["Body"]) for message in answer.get("Messages", [])]

    def hidden(self) -> int:
        answer = self.sqs.get_queue_attributes(QueueUrl=self.stack.ref("Work"), AttributeNames=["All"])
        return int(answer["Attributes"]["ApproximateNumberOfMessagesNotVisible"])

    def handled(self) -> list[dict[str, Any]]:
        journal = self.stack.template.root / "worker" / "journal.jsonl"
        return [json.loads(line) for line in journal.read_text().splitlines()] if journal.exists() else []


@pytest.fixture
def workshop(tmp_path: Path) -> Iterator[Workshop]:
    (tmp_path / "worker").mkdir()
    (tmp_path / "worker" / "handler.py").write_text(HANDLER)
    (tmp_path / "template.yaml").write_text(TEMPLATE)
    with ExitStack() as closing:
        cloud = closing.enter_context(Cloud())
        template = Template.load(tmp_path / "template.yaml")
        stack = create_stack(template, cloud, name="toy", parameters={}, secrets={"Secret": {"api_key": "k"}})
        running = Functions(stack.functions, {**cloud.environment, **stack.environment})
        yield Workshop(stack, cloud, closing.enter_context(running))


def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_the_environment_names_what_was_made(workshop: Workshop, tmp_path: Path) -> None:
    environment = workshop.stack.functions["Worker"].environment
    assert environment["WORK_QUEUE_URL"] == workshop.stack.ref("Work")
    assert environment["RETRIES"] == "3"
    assert environment["SECRET_ID"].startswith("arn:aws:secretsmanager:")
    assert workshop.stack.functions["Worker"].directory == tmp_path / "worker"


def test_a_batch_becomes_lambda_s_event_and_is_deleted(workshop: Workshop) -> None:
    workshop.send("one", "two")
    assert workshop.source.poll_once() == Polled(received=2, deleted=2)
    record = workshop.handled()[0]
    assert record["eventSource"] == "aws:sqs"
    assert record["eventSourceARN"] == workshop.stack.arn("Work")
    assert record["attributes"]["ApproximateReceiveCount"] == "1"
    assert record["attributes"]["MessageGroupId"] == "tenant-1"
    assert record["messageAttributes"]["kind"]["stringValue"] == "toy"
    assert workshop.hidden() == 0


def test_only_what_failed_comes_back(workshop: Workshop) -> None:
    workshop.send("one", "fail", "three")
    assert workshop.source.poll_once() == Polled(received=3, deleted=2)
    assert workshop.visible("Work") == []
    assert workshop.hidden() == 1


@pytest.mark.parametrize(
    ("order", "error"),
    [
        ("crash", FunctionError),
        ("answer nonsense", InvalidBatchResponseError),
        ("name a stranger", InvalidBatchResponseError),
    ],
)
def test_a_failed_batch_comes_back_whole(workshop: Workshop, order: str, error: type[Exception]) -> None:
    workshop.send("one", order)
    polled = workshop.source.poll_once()
    assert (polled.received, polled.deleted) == (2, 0)
    assert isinstance(polled.errors[0], error)
    assert workshop.hidden() == 2
    eventually(lambda: workshop.hidden() == 0)
    assert sorted(workshop.visible("Work")) == sorted(["one", order])


def test_what_fails_too_often_ends_in_the_dead_letter_queue(workshop: Workshop) -> None:
    workshop.send("fail")

    def dead() -> bool:
        workshop.source.poll_once()
        return workshop.visible("Dead") == ["fail"]

    eventually(dead)
    assert [record["attributes"]["ApproximateReceiveCount"] for record in workshop.handled()] == ["1", "2"]


def test_drain_empties_the_queue_with_several_pollers(workshop: Workshop) -> None:
    workshop.send(*range(45), "fail")
    assert workshop.source.drain() == Polled(received=46, deleted=45)
    assert sorted(json.loads(r["body"]) for r in workshop.handled() if r["body"] != '"fail"') == list(
        range(45)
    )


def test_run_polls_until_it_is_stopped(workshop: Workshop) -> None:
    stop = Event()
    running = Thread(target=workshop.source.run, args=(stop,))
    running.start()
    workshop.send("one", "two", "three")
    eventually(lambda: len(workshop.handled()) == 3)
    stop.set()
    running.join(timeout=5)
    assert not running.is_alive()
