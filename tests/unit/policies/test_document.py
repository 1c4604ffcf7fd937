"""What a policy may say, and what its author is told where it says something else."""

from typing import Any

import pytest

from nolapse.planning.policies.errors import PolicyRefused
from nolapse.planning.policies.reading import read_policies

STEP = {"event": "PRIMARY", "days": -90, "template": "primary"}
LICENCES = {
    "name": "ny-md",
    "occasion": "LICENSE_EXPIRY",
    "license_type": "MD",
    "state": "NY",
    "window": {"opens": "08:00", "closes": "12:00"},
    "steps": [STEP],
}
BIRTHDAYS = {
    "name": "birthday",
    "occasion": "BIRTHDAY",
    "window": {"opens": "09:00", "closes": "12:00"},
    "steps": [{"event": "BIRTHDAY", "days": 0, "template": "birthday"}],
}


def problems(*contents: Any) -> list[tuple[str, str, str]]:
    with pytest.raises(PolicyRefused) as refused:
        read_policies({f"{number}.yaml": content for number, content in enumerate(contents)})
    for file, field, said in refused.value.problems:
        assert f"{file}: {field}: {said}" in str(refused.value).splitlines()
    return [(file, field, said) for file, field, said in refused.value.problems]


def problem(content: Any) -> tuple[str, str]:
    [(_, field, said)] = problems(content)
    return field, said


def step(**fields: Any) -> dict[str, Any]:
    return {**STEP, **fields}


def test_what_is_left_out_has_its_default() -> None:
    [policy] = read_policies({"ny-md.yaml": LICENCES})

    assert policy.key == (None, "LICENSE_EXPIRY", "MD", "NY")
    assert (policy.business_days, policy.holidays, policy.leap_day) == ("ANY", None, "FEB_28")
    assert (policy.steps[0].channels, policy.steps[0].recipients) == (["EMAIL"], ["HOLDER"])


@pytest.mark.parametrize(
    ("change", "field", "said"),
    [
        ({"name": "NY MD"}, "name", "is 'NY MD'"),
        ({"occasion": "licence"}, "occasion", "is 'licence'"),
        ({"state": "XX"}, "state", "'XX' is no state: use its two-letter code"),
        ({"license_type": ""}, "license_type", "is ''"),
        ({"window": {"opens": "08:00"}}, "window.closes", "is missing: add it"),
        ({"window": {"opens": "8 am", "closes": "12:00"}}, "window.opens", "'8 am' is no time of day"),
        ({"window": {"opens": 800, "closes": "12:00"}}, "window.opens", "800 is no time of day"),
        ({"window": {"opens": "12:00", "closes": "08:00"}}, "window", "opens at 12:00, which is not before"),
        ({"window": {"opens": "08:00", "closes": "08:00"}}, "window", "opens at 08:00, which is not before"),
        ({"window": "08:00-12:00"}, "window", "must be a table of fields and values"),
        ({"leap_day": "FEB_29"}, "leap_day", "'FEB_28' or 'MAR_1'"),
        ({"grace_days": -1}, "grace_days", "greater than or equal to 0"),
        ({"buffer_days": "5"}, "buffer_days", "is '5': it should be a valid integer"),
        ({"business_days": "NEAREST"}, "business_days", "'ANY', 'BEFORE' or 'AFTER'"),
        ({"business_days": "BEFORE"}, "policy", "business_days BEFORE needs holidays: name a calendar"),
        ({"holidays": "US-NY"}, "policy", "holidays count only with business_days"),
        ({"business_days": "BEFORE", "holidays": "US-ZZ"}, "holidays", "'US-ZZ' is no calendar"),
        ({"business_days": "BEFORE", "holidays": "Narnia"}, "holidays", "'Narnia' is no calendar"),
        ({"business_days": "BEFORE", "holidays": "IL"}, "holidays", "weekends on Saturday and Sunday"),
        ({"steps": []}, "steps", "at least 1 item"),
        ({"steps": [step(event="primary")]}, "steps[0].event", "is 'primary'"),
        (
            {"steps": [step(days=-401)]},
            "steps[0].days",
            "is -401: it should be greater than or equal to -400",
        ),
        ({"steps": [step(days=401)]}, "steps[0].days", "is 401"),
        ({"steps": [step(days="90")]}, "steps[0].days", "is '90': it should be a valid integer"),
        (
            {"steps": [STEP, step(template="primry")]},
            "steps[1].template",
            "use anniversary, birthday, dose, ",
        ),
        ({"steps": [step(template="birthday")]}, "policy", "birthday of PRIMARY speaks of a person"),
        (
            {"steps": [step(channels=["PIGEON"])]},
            "steps[0].channels[0]",
            "is 'PIGEON': it should be 'EMAIL', 'SMS', 'WHATSAPP' or 'WEBHOOK'",
        ),
        ({"steps": [step(channels=["EMAIL", "EMAIL"])]}, "steps[0].channels", "EMAIL stands there more than"),
        (
            {"steps": [step(recipients=["BOSS"])]},
            "steps[0].recipients[0]",
            "'HOLDER', 'SUPERVISOR' or 'CAREGIVER'",
        ),
        ({"steps": [step(recipients=[])]}, "steps[0].recipients", "at least 1 item"),
        ({"steps": [step(recipient="HOLDER")]}, "steps[0].recipient", "did you mean recipients?"),
        (
            {"steps": [step(recipients=["CAREGIVER"])]},
            "policy",
            "recipient CAREGIVER of PRIMARY is for DOSE: use SUPERVISOR",
        ),
        ({"steps": [step(unless="SECONDARY")]}, "policy", "of a licence use ACKNOWLEDGED"),
        (
            {"occasion": "BIRTHDAY", "steps": [step(days=0, template="birthday", unless="ACKNOWLEDGED")]},
            "policy",
            "unless of PRIMARY is for LICENSE_EXPIRY and DOSE: remove it",
        ),
        ({"stepps": [STEP]}, "stepps", "is no field here: did you mean steps?"),
        ({"zebra": 1}, "zebra", "is no field here: remove it"),
    ],
)
def test_a_wrong_field_is_named_with_what_to_do(change: dict[str, Any], field: str, said: str) -> None:
    found_field, found = problem({**LICENCES, **change})

    assert found_field == field
    assert said in found


@pytest.mark.parametrize(
    ("state", "opens", "closes", "where"),
    [
        ("NY", "06:00", "08:00", "NY (Mon-Sun 08:00-20:00)"),
        ("RI", "18:00", "19:30", "RI (Mon-Fri 09:00-18:00, Sat 10:00-17:00)"),
        ("KY", "08:00", "10:00", "KY (Mon-Sun 10:00-20:00)"),
        (None, "20:00", "21:00", "any state (Mon-Sun 08:00-20:00)"),
    ],
)
@pytest.mark.parametrize("channel", ["SMS", "WHATSAPP"])
def test_a_text_that_could_never_leave_is_refused(
    state: str | None, opens: str, closes: str, where: str, channel: str
) -> None:
    window = {"opens": opens, "closes": closes}
    content = {**LICENCES, "state": state, "window": window, "steps": [step(channels=["EMAIL", channel])]}

    said = (
        f"{channel} of PRIMARY would never leave: the window {opens}-{closes} lies outside the hours of texts"
    )
    assert problem(content) == ("policy", f"{said} in {where}: move the window, or use other channels")


@pytest.mark.parametrize(
    ("state", "opens", "closes", "channel"),
    [
        ("RI", "17:00", "18:30", "SMS"),
        ("TX", "08:00", "09:01", "SMS"),
        (None, "19:59", "23:00", "WHATSAPP"),
        ("NY", "06:00", "07:00", "EMAIL"),
        ("NY", "06:00", "07:00", "WEBHOOK"),
    ],
)
def test_a_text_needs_a_minute_of_its_window(
    state: str | None, opens: str, closes: str, channel: str
) -> None:
    window = {"opens": opens, "closes": closes}
    content = {**LICENCES, "state": state, "window": window, "steps": [step(channels=[channel])]}

    assert read_policies({"ny-md.yaml": content})


@pytest.mark.parametrize("left_out", ["name", "occasion", "window", "steps"])
def test_a_missing_field_is_named(left_out: str) -> None:
    content = {field: value for field, value in LICENCES.items() if field != left_out}

    assert problem(content) == (left_out, "is missing: add it")


@pytest.mark.parametrize("content", [None, [], "steps"])
def test_a_file_that_holds_no_table_is_refused(content: Any) -> None:
    assert problem(content) == ("policy", "must be a table of fields and values")


def test_a_supervisor_may_be_told_unless_somebody_answered() -> None:
    told = step(event="ESCALATION", template="escalation", recipients=["SUPERVISOR"], unless="ACKNOWLEDGED")
    (document,) = read_policies({"ny-md.yaml": {**LICENCES, "steps": [STEP, told]}})

    assert [each.unless for each in document.steps] == [None, "ACKNOWLEDGED"]


def test_events_are_unique() -> None:
    field, said = problem({**LICENCES, "steps": [STEP, step(days=-30, template="secondary")]})

    assert (field, said) == ("policy", "event PRIMARY is that of more than one step: name each")


@pytest.mark.parametrize(
    ("business_days", "days", "meet"),
    [
        ("ANY", -90, True),
        ("ANY", -89, False),
        ("BEFORE", -84, True),
        ("AFTER", -96, True),
        ("BEFORE", -83, False),
    ],
)
def test_steps_of_one_template_never_fall_on_one_day(business_days: str, days: int, meet: bool) -> None:
    content = {
        **LICENCES,
        "business_days": business_days,
        "holidays": None if business_days == "ANY" else "US-NY",
        "steps": [STEP, step(event="AGAIN", days=days)],
    }

    if meet:
        assert "PRIMARY and AGAIN share template primary and may fall on one day" in problem(content)[1]
    else:
        read_policies({"ny-md.yaml": content})


def test_grace_and_buffer_may_bring_steps_together() -> None:
    content = {
        **LICENCES,
        "business_days": "AFTER",
        "holidays": "US",
        "steps": [step(event="ON_THE_DAY", days=0), step(event="AFTER_IT", days=2)],
    }

    assert "share template" in problem(content)[1]
    read_policies({"ny-md.yaml": {**content, "grace_days": 3, "buffer_days": 2}})


def test_a_licence_is_no_matter_of_a_birthday() -> None:
    content = {**BIRTHDAYS, "state": "NY", "steps": [{"event": "BIRTHDAY", "days": 0, "template": "primary"}]}

    assert problem(content)[1].split("; ") == [
        "license_type and state are for LICENSE_EXPIRY: remove them",
        "template primary of BIRTHDAY speaks of a licence: use another",
    ]


@pytest.mark.parametrize(
    ("days", "said"), [(-351, "-351 days from a date of every year"), (351, "351 days from")]
)
def test_a_yearly_step_stays_near_its_date(days: int, said: str) -> None:
    assert (
        said
        in problem({**BIRTHDAYS, "steps": [{"event": "BIRTHDAY", "days": days, "template": "birthday"}]})[1]
    )


@pytest.mark.parametrize(("days", "meet"), [(164, True), (165, True), (163, False), (166, False)])
def test_one_year_s_step_never_meets_the_next_year_s(days: int, meet: bool) -> None:
    steps = [
        {"event": "LONG_BEFORE", "days": -201, "template": "birthday"},
        {"event": "LONG_AFTER", "days": days, "template": "birthday"},
    ]

    if meet:
        assert "may fall on one day" in problem({**BIRTHDAYS, "steps": steps})[1]
    else:
        read_policies({"birthday.yaml": {**BIRTHDAYS, "steps": steps}})


def test_every_problem_of_every_file_is_told_at_once() -> None:
    found = problems({**LICENCES, "state": "XX", "buffer_days": -1}, BIRTHDAYS, {**BIRTHDAYS, "leap_day": 1})

    assert [(file, field) for file, field, _ in found] == [
        ("0.yaml", "state"),
        ("0.yaml", "buffer_days"),
        ("2.yaml", "leap_day"),
    ]


def test_two_files_are_never_about_the_same_dates_or_of_the_same_name() -> None:
    same_dates = {**LICENCES, "name": "other"}
    same_name = {**LICENCES, "state": "CA"}
    other_tenant = {**LICENCES, "tenant": "clinic"}

    assert problems(LICENCES, same_dates, same_name, other_tenant) == [
        ("1.yaml", "policy", "is for the very dates that 0.yaml is for: merge the two"),
        ("2.yaml", "name", "ny-md is the name of 0.yaml too: choose another"),
    ]
