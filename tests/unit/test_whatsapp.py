"""What WhatsApp approved, as Twilio's secret holds it: taken to the letter, or refused with its field."""

from typing import Any

import pytest
from pydantic import ValidationError

from nolapse.delivery.whatsapp import WhatsApp

SID = "HX" + "4" * 32
TEXT = "A reminder from {{1}}: {{2}}. Go to {{3}} for more."
GOOD: dict[str, Any] = {"senders": ["+12015550199"], "contents": {"default": {"sid": SID, "text": TEXT}}}


def test_a_wording_has_a_text_of_its_own_or_the_default() -> None:
    late = {"sid": SID, "text": "Late, and we are sorry: {{2}}. Reply STOP to end."}
    read = WhatsApp.model_validate({**GOOD, "contents": {**GOOD["contents"], "late": late}})

    said = {"1": "Clinic {{2}}", "2": "your licence", "3": "https://portal.test"}
    assert read.text_for("late").filled(said) == "Late, and we are sorry: your licence. Reply STOP to end."
    # What fills it is never read as a variable itself.
    assert read.text_for("secondary").filled(said) == (
        "A reminder from Clinic {{2}}: your licence. Go to https://portal.test for more."
    )


@pytest.mark.parametrize(
    ("change", "field", "why"),
    [
        ({"senders": []}, "senders", "at least 1"),
        ({"contents": {}}, "contents", "'default' is missing"),
        ({"contents": {"default": {"sid": "HX1", "text": TEXT}}}, "sid", "match pattern"),
        ({"contents": {"default": {"sid": SID, "text": "{{1}} alone"}}}, "text", "what is said, is missing"),
        ({"contents": {"default": {"sid": SID, "text": "{{2}} {{4}}"}}}, "text", "{{4}} is no variable"),
        (
            {"contents": {"default": {"sid": SID, "text": "{{2}} {{name}}"}}},
            "text",
            "{{name}} is no variable",
        ),
        ({"contents": {"default": {"sid": SID}}}, "text", "required"),
        ({"sender": "+12015550199"}, "sender", "not permitted"),
    ],
)
def test_what_is_wrong_is_named(change: dict[str, Any], field: str, why: str) -> None:
    with pytest.raises(ValidationError) as refused:
        WhatsApp.model_validate(GOOD | change)
    (error,) = refused.value.errors()
    assert error["loc"][-1] == field
    assert why in error["msg"]
