"""Nothing reaches a template but what the schema lets through, and errors repeat none of it."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from nolapse.messages.schemas import (
    MASK,
    AnniversaryVariables,
    EscalationVariables,
    GreetingVariables,
    ReminderVariables,
    mask,
)

VALUES: dict[str, object] = {
    "clinic_name": "Cedar Valley Clinic",
    "license_type": "Registered Nurse",
    "state": "CA",
    "license_last4": "••••1234",
    "expires_on": date(2026, 7, 1),
    "days_left": 30,
    "portal_url": "https://portal.example.test",
    "acknowledge_url": "https://api.example.test/r/token",
}


@pytest.mark.parametrize(
    "wrong",
    [
        {"full_name": "Pat Doe"},
        {"license_last4": "RN8841234"},
        {"license_last4": "1234"},
        {"license_last4": "••••41234"},
        {"expires_on": "2026-07-01"},
        {"expires_on": datetime(2026, 7, 1, tzinfo=UTC)},
        {"days_left": "30"},
        {"days_left": 30.0},
        {"days_left": True},
        {"clinic_name": " \n "},
        {"license_type": None},
        {"portal_url": "http://portal.example.test"},
        {"portal_url": "javascript:alert(1)"},
        {"portal_url": "https://user:secret@portal.example.test"},
        {"portal_url": "https://portal.example.test/\nx"},
        {"portal_url": "https://[broken"},
        {"portal_url": "https:///path"},
    ],
    ids=str,
)
def test_what_the_schema_refuses(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError) as caught:
        ReminderVariables(**{**VALUES, **wrong})
    (value,) = wrong.values()
    assert len(str(value)) < 5 or str(value) not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    ["https://portal.example.test/a?b=c", "http://127.0.0.1:8000", "http://localhost/x", "http://[::1]:80/"],
)
def test_the_portal_is_https_or_loopback(url: str) -> None:
    assert ReminderVariables(**{**VALUES, "portal_url": url}).portal_url == url


def test_every_field_is_needed() -> None:
    for field in VALUES:
        rest = {name: value for name, value in VALUES.items() if name != field}
        with pytest.raises(ValidationError):
            ReminderVariables(**rest)


def test_a_supervisor_is_told_whose_license_it_is() -> None:
    assert EscalationVariables(**VALUES, holder_name="Pat Doe").panel()[0] == ("Holder", "Pat Doe")
    for nobody in (None, " ", 7):
        with pytest.raises(ValidationError):
            EscalationVariables(**VALUES, holder_name=nobody)


def test_a_birthday_knows_no_years() -> None:
    with pytest.raises(ValidationError):
        GreetingVariables(clinic_name="Cedar Valley Clinic", full_name="Pat Doe", years=41)


@pytest.mark.parametrize("years", [None, 0, -1, "5", 5.0, True])
def test_an_anniversary_counts_whole_years(years: object) -> None:
    with pytest.raises(ValidationError):
        AnniversaryVariables(clinic_name="Cedar Valley Clinic", full_name="Pat Doe", years=years)


def test_variables_do_not_change() -> None:
    with pytest.raises(ValidationError):
        ReminderVariables(**VALUES).days_left = 3


@pytest.mark.parametrize(
    ("number", "masked"),
    [
        ("RN8841234", "••••1234"),
        (" 19152 ", "••••9152"),
        ("1234", "••••34"),
        ("861", "••••1"),
        ("7", "••••"),
        ("", "••••"),
    ],
)
def test_the_mask(number: str, masked: str) -> None:
    assert mask(number) == masked


@given(st.text())
def test_a_masked_number_is_never_whole(number: str) -> None:
    visible = mask(number).removeprefix(MASK)
    assert len(visible) <= 4
    assert number.strip().endswith(visible)
    assert not number.strip() or len(visible) < len(number.strip())


@given(st.from_regex(r"[A-Z0-9][A-Z0-9 .\-]{0,15}[A-Z0-9]", fullmatch=True))
def test_what_the_mask_gives_the_schema_takes(number: str) -> None:
    variables = ReminderVariables(**{**VALUES, "license_last4": mask(number)})
    assert variables.license_last4 == " ".join(mask(number).split())
