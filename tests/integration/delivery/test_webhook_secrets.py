"""`nolapse webhook secret`: keys of tenants' webhooks, made, handed over once, changed and removed."""

import json
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
from typer.testing import CliRunner

from cli.main import app
from local.doubles.tenant_endpoint import TenantEndpointDouble
from nolapse.runtime.bootstrap import runtime
from tests.integration.delivery.conftest import OPENS, Delivery

Run = Callable[..., str]
OWN = "whsec_" + b64encode(b"a key that the tenant itself made").decode()


@pytest.fixture
def run(delivery: Delivery) -> Run:
    def run(*arguments: str, answer: str = "", status: int = 0) -> str:
        assert delivery.running
        command = ["webhook", "secret", *arguments, "--tenant", "clinic", "--as", "grace"]
        result = CliRunner().invoke(
            app, command, input=answer, env={"COLUMNS": "240"}, catch_exceptions=False
        )
        assert result.exit_code == status, result.output
        return result.output

    return run


def keys(tenant: Any) -> list[str]:
    secret = boto3.client("secretsmanager").get_secret_value(SecretId=f"nolapse-local/webhooks/{tenant}")
    held: list[str] = json.loads(secret["SecretString"])["keys"]
    return held


def audited(delivery: Delivery) -> list[tuple[Any, ...]]:
    return delivery.register.rows(
        "SELECT action, actor FROM audit_log WHERE action LIKE 'webhook.secret%' ORDER BY seq"
    )


def shown(said: str) -> str:
    return said.rsplit(maxsplit=1)[-1]


def test_the_key_that_is_shown_is_the_one_that_signs(delivery: Delivery, run: Run, tmp_path: Path) -> None:
    delivery.told_by("WEBHOOK")
    tenant = delivery.due()
    key = shown(run("rotate"))
    with TenantEndpointDouble(tmp_path / "endpoint.sqlite", delivery.clock.now, keys=[key]) as endpoint:
        delivery.register.execute(
            "INSERT INTO tenant_webhooks (tenant_id, url, updated_at) VALUES (:tenant, :url, :now)",
            tenant=tenant,
            url=endpoint.url,
            now=OPENS,
        )
        delivery.send(OPENS)

        assert len(endpoint.messages()) == 1
    assert keys(tenant) == [key]


def test_a_new_key_goes_in_front_and_the_one_before_signs_until_it_is_retired(
    delivery: Delivery, run: Run
) -> None:
    tenant = delivery.due()
    first, second, third = (shown(run("rotate")) for _ in range(3))

    assert keys(tenant) == [third, second]
    assert len({first, second, third}) == 3
    assert "1 older keys" in run("retire")
    assert keys(tenant) == [third]
    assert audited(delivery) == [
        *[("webhook.secret_rotated", "grace")] * 3,
        ("webhook.secret_retired", "grace"),
    ]


def test_a_key_of_the_tenant_s_own_is_asked_for_and_never_shown(delivery: Delivery, run: Run) -> None:
    tenant = delivery.due()
    run("rotate")

    assert OWN not in run("set", answer=f"{OWN}\n")
    run("set", answer=f"{OWN}\n")

    assert keys(tenant)[0] == OWN
    assert len(keys(tenant)) == 2


@pytest.mark.parametrize(
    "key",
    [
        OWN.removeprefix("whsec_"),
        "whsec_" + b64encode(b"23 bytes are too few...").decode(),
        "whsec_" + b64encode(bytes(65)).decode(),
        "whsec_no base64",
    ],
)
def test_what_is_no_key_is_refused_without_being_shown(delivery: Delivery, run: Run, key: str) -> None:
    delivery.due()

    said = run("set", answer=f"{key}\n", status=1)

    assert "whsec_ and base64 of 24 to 64 bytes" in said
    assert key not in said
    assert audited(delivery) == []


def test_a_secret_that_is_removed_is_gone_at_once_and_may_be_made_again(delivery: Delivery, run: Run) -> None:
    tenant = delivery.due()
    run("rotate")

    run("remove", answer="n\n", status=1)
    assert len(keys(tenant)) == 1
    run("remove", answer="y\n")

    client = boto3.client("secretsmanager")
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        keys(tenant)
    key = shown(run("rotate"))
    assert keys(tenant) == [key]


@pytest.mark.parametrize("command", [("retire",), ("remove", "--yes")])
def test_without_a_secret_there_is_nothing_to_change(
    delivery: Delivery, run: Run, command: tuple[str, ...]
) -> None:
    delivery.due()

    assert "rotate makes one" in run(*command, status=1)


def test_a_tenant_that_is_none_is_named(run: Run) -> None:
    assert "'clinic' is no tenant" in run("rotate", status=1)
    assert runtime().settings.webhook_secrets_prefix == "nolapse-local/webhooks/"
