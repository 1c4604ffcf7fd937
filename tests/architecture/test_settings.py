"""The environment: template.yaml sets exactly what the settings read, and what is missing is said all at once."""

from datetime import time
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from local.template import Template
from nolapse.domain.quiet_hours import OURS
from nolapse.runtime.settings import Settings

ROOT = Path(__file__).parents[2]
TEMPLATE = Template.load(ROOT / "template.yaml")
VARIABLES: dict[str, Any] = TEMPLATE.document["Globals"]["Function"]["Environment"]["Variables"]
# What others read: Powertools (https://docs.aws.amazon.com/powertools/python/latest/environment-variables/), zoneinfo
# (https://docs.python.org/3/library/zoneinfo.html#envvar-PYTHONTZPATH) and pydantic
# (https://docs.pydantic.dev/latest/concepts/plugins/#disabling-plugins).
READ_BY_OTHERS = {
    "POWERTOOLS_SERVICE_NAME",
    "POWERTOOLS_METRICS_NAMESPACE",
    "POWERTOOLS_LOG_LEVEL",
    "PYTHONTZPATH",
    "PYDANTIC_DISABLE_PLUGINS",
}
RETENTION = "".join(VARIABLES["RETENTION_DAYS"])
COMPLETE = {
    "DATABASE_HOST": "db.internal",
    "DATABASE_PORT": "5432",
    "DATABASE_NAME": "nolapse",
    "DATABASE_TLS": "verify",
    "DATABASE_SECRET_ID": "engine",
    "SENDGRID_SECRET_ID": "sendgrid",
    "SIGNING_SECRET_ID": "signing",
    "WEBHOOK_SECRET_ID": "webhooks",
    "EMAIL_PROVIDERS": "sendgrid",
    "GRAPH_SECRET_ID": "",
    "GRAPH_URL": "https://graph.test",
    "MAILGUN_SECRET_ID": "",
    "MAILGUN_URL": "https://mailgun.test",
    "TWILIO_SECRET_ID": "",
    "TWILIO_URL": "https://twilio.test",
    "WEBHOOK_SECRETS_PREFIX": "nolapse-dev/webhooks/",
    "WEBHOOK_TARGETS": "public",
    "OPS_SECRET_ID": "",
    "SENDGRID_URL": "https://mail.test",
    "EMAIL_QUEUE_URL": "https://queue.test/email",
    "DEAD_LETTER_QUEUE_URLS": "https://queue.test/email-dlq,https://queue.test/imports-dlq",
    "FLAGS_SOURCE": "appconfig",
    "FLAGS_APPLICATION": "nolapse-dev",
    "SENDER_EMAIL": "reminders@clinic.test",
    "SENDER_NAME": "Reminders",
    "PORTAL_URL": "https://portal.test",
    "PUBLIC_URL": "https://nolapse.test",
    "LINK_DAYS": "120",
    "IMPORTS_BUCKET": "nolapse-dev-imports-123456789012",
    "HORIZON_MONTHS": "13",
    "LOOKBACK_DAYS": "14",
    "RETENTION_DAYS": RETENTION,
    "LATE_SPACING_HOURS": "4",
    "LATE_PER_TENANT_HOUR": "1000",
    "QUIET_FROM": "20:00",
    "QUIET_UNTIL": "08:00",
    "SCAN_LIMIT": "600",
    "LEASE_SECONDS": "120",
    "PROVIDER_TIMEOUT_SECONDS": "15",
    "TRIES_AT_ONCE": "3",
    "EMAIL_PER_MINUTE": "60",
    "SMS_PER_MINUTE": "60",
    "WHATSAPP_PER_MINUTE": "60",
    "WEBHOOK_PER_MINUTE": "60",
    "PER_TENANT_MINUTE": "60",
    "PER_PERSON_DAY": "20",
    "SMS_QUIET_FROM": "20:00",
    "SMS_QUIET_UNTIL": "08:00",
    "OIDC_ISSUER": "https://issuer.test",
    "OIDC_AUDIENCE": "nolapse",
    "OIDC_KEYS_URL": "https://issuer.test/keys",
    "CORS_ORIGINS": "",
    "API_PER_MINUTE": "600",
    "API_PER_TENANT_MINUTE": "6000",
    "SLOW_QUERY_MS": "500",
}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Complete, and nothing of this machine's own in it."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in COMPLETE.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def names() -> set[str]:
    return {name.upper() for name in Settings.model_fields}


def test_the_template_sets_exactly_what_is_read() -> None:
    assert VARIABLES.keys() == names() | READ_BY_OTHERS


@pytest.mark.parametrize("function", [name for name, _ in TEMPLATE.resources("AWS::Serverless::Function")])
def test_a_function_s_own_variables_are_read_too(function: str) -> None:
    properties = dict(TEMPLATE.resources("AWS::Serverless::Function"))[function]
    assert properties.get("Environment", {}).get("Variables", {}).keys() <= names() | READ_BY_OTHERS


def test_what_the_template_fixes_is_valid(environment: pytest.MonkeyPatch) -> None:
    for name, value in VARIABLES.items():
        if isinstance(value, str) and name in COMPLETE:
            environment.setenv(name, value)
    settings = Settings.read()
    assert settings.quiet_until < settings.quiet_from
    assert settings.provider_timeout_seconds < settings.lease_seconds


def test_a_complete_environment_is_read_in_its_types(environment: pytest.MonkeyPatch) -> None:
    assert environment
    settings = Settings.read()
    assert (settings.database_port, settings.quiet_from) == (5432, time(20))


def test_everything_that_is_missing_is_said_at_once(environment: pytest.MonkeyPatch) -> None:
    for name in COMPLETE:
        environment.delenv(name)
    with pytest.raises(ValidationError) as caught:
        Settings.read()
    assert {str(error["loc"][0]).upper() for error in caught.value.errors()} == names() == COMPLETE.keys()
    assert {error["type"] for error in caught.value.errors()} == {"missing"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_PORT", "70000"),
        ("DATABASE_TLS", "sometimes"),
        ("SENDER_EMAIL", "nobody"),
        ("EMAIL_QUEUE_URL", "the usual one"),
        ("DEAD_LETTER_QUEUE_URLS", "https://queue.test/email-dlq, and the other"),
        ("FLAGS_SOURCE", "somewhere"),
        ("QUIET_FROM", "25:61"),
        ("SCAN_LIMIT", "-17"),
    ],
)
def test_what_is_wrong_is_named_and_never_quoted(
    environment: pytest.MonkeyPatch, name: str, value: str
) -> None:
    environment.setenv(name, value)
    with pytest.raises(ValidationError) as caught:
        Settings.read()
    assert [error["loc"] for error in caught.value.errors()] == [(name.lower(),)]
    assert value not in str(caught.value)


@pytest.mark.parametrize("name", [name for name, value in COMPLETE.items() if value and not value.isdigit()])
def test_empty_is_as_wrong_as_missing(environment: pytest.MonkeyPatch, name: str) -> None:
    environment.setenv(name, "")
    with pytest.raises(ValidationError, match=name.lower()):
        Settings.read()


def test_policies_are_judged_by_the_hours_that_texts_have() -> None:
    assert (VARIABLES["SMS_QUIET_UNTIL"], VARIABLES["SMS_QUIET_FROM"]) == (
        f"{OURS.opens:%H:%M}",
        f"{OURS.closes:%H:%M}",
    )
