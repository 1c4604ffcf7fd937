import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING, Any
from urllib.request import Request, urlopen

import pytest

from local.buckets import BucketSource
from local.lambda_runtime import Functions
from local.resources import Cloud, create_stack
from local.stack import ROOT
from local.template import Stack, Template

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

TEMPLATE = """
Globals:
  Function: {Handler: handler.handler, MemorySize: 128, Timeout: 10}
Resources:
  Inbox:
    Type: AWS::S3::Bucket
    Properties: {BucketName: !Sub "${AWS::StackName}-inbox"}
  Worker:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: worker/
      Events:
        Put:
          Type: S3
          Properties:
            Bucket: !Ref Inbox
            Events: s3:ObjectCreated:*
            Filter: {S3Key: {Rules: [{Name: prefix, Value: in/}]}}
"""
HANDLER = """
import json
from pathlib import Path

journal = Path(__file__).with_name("journal.jsonl")


def handler(event, context):
    with journal.open("a") as out:
        out.write(json.dumps(event) + "\\n")
    if "crash" in event["Records"][0]["s3"]["object"]["key"]:
        raise RuntimeError
"""


class Inbox:
    def __init__(self, stack: Stack, cloud: Cloud, functions: Functions) -> None:
        self.stack = stack
        self.s3: S3Client = cloud.s3()
        (trigger,) = stack.bucket_triggers
        self.source = BucketSource(trigger, stack, functions, self.s3, cloud.sqs())

    def put(self, *keys: str) -> None:
        """As whoever was given a link."""
        for key in keys:
            named = {"Bucket": self.stack.ref("Inbox"), "Key": key}
            url = self.s3.generate_presigned_url("put_object", Params=named)
            with urlopen(Request(url, b"content", method="PUT")) as answer:  # noqa: S310  loopback
                assert answer.status == 200

    def handled(self) -> list[dict[str, Any]]:
        journal = self.stack.template.root / "worker" / "journal.jsonl"
        return [json.loads(line) for line in journal.read_text().splitlines()] if journal.exists() else []

    def keys(self) -> list[str]:
        return [event["Records"][0]["s3"]["object"]["key"] for event in self.handled()]


@pytest.fixture
def inbox(tmp_path: Path) -> Iterator[Inbox]:
    (tmp_path / "worker").mkdir()
    (tmp_path / "worker" / "handler.py").write_text(HANDLER)
    (tmp_path / "template.yaml").write_text(TEMPLATE)
    with ExitStack() as closing:
        cloud = closing.enter_context(Cloud())
        stack = create_stack(
            Template.load(tmp_path / "template.yaml"), cloud, name="toy", parameters={}, secrets={}
        )
        running = closing.enter_context(Functions(stack.functions, cloud.environment))
        yield Inbox(stack, cloud, running)


def shape(value: Any) -> Any:
    return {key: shape(each) for key, each in value.items()} if isinstance(value, dict) else type(value)


def test_what_is_put_invokes_the_function_with_s3_s_event(inbox: Inbox) -> None:
    inbox.put("in/licences november 2026, 登録簿.csv")

    assert inbox.source.poll_once() == []
    (event,) = inbox.handled()
    example = json.loads((ROOT / "events" / "import_records_uploaded.json").read_text())
    ((record,), (documented,)) = event["Records"], example["Records"]
    assert shape(record) == shape(documented)
    assert (record["eventName"], record["s3"]["bucket"]["name"]) == ("ObjectCreated:Put", "toy-inbox")
    assert inbox.keys() == ["in%2Flicences+november+2026%2C+%E7%99%BB%E9%8C%B2%E7%B0%BF.csv"]


def test_what_is_put_elsewhere_invokes_nothing(inbox: Inbox) -> None:
    inbox.put("out/a.csv")

    assert (inbox.source.poll_once(), inbox.handled()) == ([], [])


def test_what_fails_is_told_and_keeps_nothing_else_from_its_run(inbox: Inbox) -> None:
    inbox.put("in/crash.csv", "in/b.csv")

    assert [error.error_type for error in inbox.source.poll_once()] == ["RuntimeError"]
    assert inbox.source.poll_once() == []
    assert sorted(inbox.keys()) == ["in%2Fb.csv", "in%2Fcrash.csv"]


def test_run_polls_until_it_is_stopped(inbox: Inbox) -> None:
    stop = Event()
    running = Thread(target=inbox.source.run, args=(stop,))
    running.start()
    inbox.put("in/a.csv", "in/b.csv")
    deadline = time.monotonic() + 10
    while len(inbox.handled()) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    stop.set()
    running.join(timeout=5)
    assert not running.is_alive()
