"""Whatever reaches a log line, no person is in it; what operators look for stays."""

import io
import json
from uuid import uuid4

import pytest
from aws_lambda_powertools import Logger

from nolapse.domain.seals import KeyRing
from nolapse.runtime.observability import correlated, correlation_id, logger
from nolapse.runtime.redaction import WITHHELD, redacted

KEYS = KeyRing({"current": "a secret of more than thirty-two bytes"}, "current")


@pytest.mark.parametrize(
    "field",
    [
        "email", "contact_email", "phone", "full_name", "holder_name", "license_number", "licence_number", "recipient",
        "Authorization", "access_token", "api_key", "birthday",
    ],
)  # fmt: skip
def test_a_person_s_field_is_withheld_however_deep_it_lies(field: str) -> None:
    assert redacted({"rows": [{field: "Quackenbush"}]}) == {"rows": [{field: WITHHELD}]}


@pytest.mark.parametrize(
    "secret",
    [
        "ada@clinic.test", "a.lovelace+rn@mail.clinic.co.uk", "+12125550142", "(212) 555-0142", "212-555-0142",
        "Bearer abc.def", "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl",
        KEYS.seal("link", {"k": "0" * 64}),
    ],
)  # fmt: skip
def test_what_looks_like_an_address_or_a_token_is_withheld_wherever_it_stands(secret: str) -> None:
    assert redacted({"message": f"could not reach {secret}, again"}) == {
        "message": f"could not reach {WITHHELD}, again"
    }


def test_what_operators_look_for_stays() -> None:
    line = {
        "correlation_id": str(uuid4()),
        "notifications": ["0123456789abcdef" * 4],
        "timestamp": "2026-11-26 12:00:00,123+0000",
        "statement": "claim_due",
        "route": "/v1/licenses/<license_id>",
        "counts": {"sent": 2125550142, "recipients": 3},
        "trace": '  File "/var/task/handler.py", line 10, in handler\n',
        "function_name": "nolapse-dev-scan",
        "duration_ms": 12.5,
        "error": None,
    }
    assert redacted(line) == line


def test_the_logger_redacts_by_itself_and_says_its_correlation() -> None:
    written = io.StringIO()
    discreet = Logger(
        service="test", stream=written, json_serializer=logger().registered_formatter.json_serializer
    )
    discreet.info("to ada@clinic.test", extra={"phone": "+12125550142"})

    line = json.loads(written.getvalue())
    assert (line["message"], line["phone"]) == (f"to {WITHHELD}", WITHHELD)


def test_correlation_is_of_the_run_alone() -> None:
    with correlated("run-1"):
        assert correlation_id() == "run-1"
    with pytest.raises(KeyError):
        correlation_id()
