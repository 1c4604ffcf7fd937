"""The stack's queues, bucket and secrets, made in moto's server on a free loopback port."""

import json
import logging
from collections.abc import Mapping
from contextlib import closing
from functools import cache
from http.client import HTTPConnection
from types import TracebackType
from typing import TYPE_CHECKING, Self, cast

import boto3
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.server import ThreadedMotoServer

from local.template import Stack, Template, queue_attributes, resolve

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.literals import QueueAttributeNameType

REGION = "us-east-1"
KEY = "local"


@cache
def _server() -> ThreadedMotoServer:
    """One for the process, as its state is: it takes seconds to start and to stop."""
    # werkzeug logs every request.
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    return server


@cache
def _session() -> boto3.Session:
    """What boto3 reads of the services' models stays with it."""
    return boto3.Session(aws_access_key_id=KEY, aws_secret_access_key=KEY, region_name=REGION)


class Cloud:
    """What moto's server holds, from `with` to the end of its block."""

    def __init__(self) -> None:
        self._server = _server()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with closing(HTTPConnection(*self._server.get_host_and_port())) as connection:
            connection.request("POST", "/moto-api/reset")
            connection.getresponse().read()

    @property
    def url(self) -> str:
        host, port = self._server.get_host_and_port()
        return f"http://{host}:{port}"

    @property
    def environment(self) -> dict[str, str]:
        """What Lambda puts beside the template's own variables, so that any boto3 client comes here."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": KEY,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_REGION": REGION,
        }

    def sqs(self) -> "SQSClient":
        return _session().client("sqs", endpoint_url=self.url)

    def s3(self) -> "S3Client":
        return _session().client("s3", endpoint_url=self.url)

    def secrets_manager(self) -> "SecretsManagerClient":
        return _session().client("secretsmanager", endpoint_url=self.url)


def create_stack(
    template: Template,
    cloud: Cloud,
    *,
    name: str,
    parameters: Mapping[str, str],
    secrets: Mapping[str, Mapping[str, object]],
) -> Stack:
    """`secrets`: parameter that wants a secret's ARN -> what the secret holds."""
    arns = _create_secrets(cloud, name, secrets)
    references = _pseudo_parameters(name) | template.parameters({**parameters, **arns})
    references |= template.conditions(references)
    references |= _function_names(template, name)
    _create_buckets(template, cloud, references)
    _create_queues(template, cloud, references)
    return Stack(template, references)


def _pseudo_parameters(stack_name: str) -> dict[str, dict[str, str]]:
    values = {
        "AWS::StackName": stack_name,
        "AWS::AccountId": DEFAULT_ACCOUNT_ID,
        "AWS::Region": REGION,
        "AWS::Partition": "aws",
        "AWS::URLSuffix": "amazonaws.com",
    }
    return {name: {"Ref": value} for name, value in values.items()}


def _function_names(template: Template, stack_name: str) -> dict[str, dict[str, str]]:
    names = {
        logical_id: f"{stack_name}-{logical_id}"
        for logical_id, _ in template.resources("AWS::Serverless::Function")
    }
    return {
        logical_id: {"Ref": name, "Arn": f"arn:aws:lambda:{REGION}:{DEFAULT_ACCOUNT_ID}:function:{name}"}
        for logical_id, name in names.items()
    }


def _create_secrets(
    cloud: Cloud, stack_name: str, secrets: Mapping[str, Mapping[str, object]]
) -> dict[str, str]:
    client = cloud.secrets_manager()
    return {
        parameter: client.create_secret(
            Name=f"{stack_name}/{parameter}", SecretString=json.dumps(dict(content))
        )["ARN"]
        for parameter, content in secrets.items()
    }


def _create_buckets(template: Template, cloud: Cloud, references: dict[str, dict[str, str]]) -> None:
    client = cloud.s3()
    for logical_id, properties in template.resources("AWS::S3::Bucket"):
        name = resolve(properties["BucketName"], references)
        client.create_bucket(Bucket=name)
        references[logical_id] = {"Ref": name, "Arn": f"arn:aws:s3:::{name}"}


def _create_queues(template: Template, cloud: Cloud, references: dict[str, dict[str, str]]) -> None:
    client = cloud.sqs()
    # Dead-letter queues first: a queue's redrive policy names the ARN of one that exists.
    queues = sorted(template.resources("AWS::SQS::Queue"), key=lambda queue: "RedrivePolicy" in queue[1])
    for logical_id, properties in queues:
        name = resolve(properties["QueueName"], references)
        attributes = cast("dict[QueueAttributeNameType, str]", queue_attributes(properties, references))
        url = client.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        references[logical_id] = {
            "Ref": url,
            "Arn": f"arn:aws:sqs:{REGION}:{DEFAULT_ACCOUNT_ID}:{name}",
            "QueueName": name,
        }
