"""A message says what its kind is for, in two equivalent bodies, and nothing personal beyond that."""

import re
from datetime import UTC, date, datetime
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import Environment, meta
from pydantic import ValidationError

from local.compile_messages import compile_message
from nolapse.messages.errors import MissingFactError, UnknownTemplateError
from nolapse.messages.registry import TEMPLATES, variants
from nolapse.messages.rendering import TEMPLATE_FOLDER, render
from nolapse.messages.schemas import ReminderVariables, mask

PORTAL = "https://portal.example.test/licenses?a=1&b=2"
ANSWER = "https://api.example.test/r/2026-11.eyJ0.c2ln"
FACTS: dict[str, object] = {
    "clinic_name": "Cedar Valley Clinic",
    "license_type": "Registered Nurse",
    "state": "CA",
    "license_last4": mask("RN8841234"),
    "expires_on": date(2026, 7, 1),
    "days_left": 30,
    "portal_url": PORTAL,
    "acknowledge_url": ANSWER,
    "full_name": "Pat O'Neil",
    "holder_name": "Sam O'Hara",
    "years": 41,
    "medication": "your morning tablets",
    "due_at": datetime(2026, 6, 1, 8, tzinfo=UTC),
    "take_until": datetime(2026, 6, 1, 10, tzinfo=UTC),
}
ABOUT_A_LICENSE = {
    name for name, template in TEMPLATES.items() if issubclass(template.schema, ReminderVariables)
}
LABEL = re.compile(r"^(\w+|Open the portal): ")
BUTTONS = {"Open the portal": PORTAL, "Renewed, in progress or not mine?": ANSWER}
EXTERNAL = re.compile(r"(?:src|href|url)\s*[=(]\s*[\"']?\s*(?!\{\{)(?:https?:|//)", re.IGNORECASE)

every_variant = pytest.mark.parametrize("variant", sorted(variants()))
every_template = pytest.mark.parametrize("template", TEMPLATES)
every_license_template = pytest.mark.parametrize("template", sorted(ABOUT_A_LICENSE))
on_time_and_late = pytest.mark.parametrize("late", [False, True], ids=["on_time", "late"])


class VisibleText(HTMLParser):
    """The blocks of text that a reader of the HTML sees, and where its links lead."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.blocks: list[str] = []
        self.links: list[str] = []
        self.hidden: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given_attrs = dict(attrs)
        if self.hidden or tag == "head" or "display:none" in (given_attrs.get("style") or ""):
            self.hidden.append(tag)
        if tag == "a":
            self.links.append(given_attrs["href"] or "")
        if tag in {"meta", "link", "br", "img"} and self.hidden:
            self.hidden.pop()

    def handle_endtag(self, tag: str) -> None:
        if self.hidden and self.hidden[-1] == tag:
            self.hidden.pop()

    def handle_data(self, data: str) -> None:
        if not self.hidden and data.strip():
            self.blocks.append(" ".join(data.split()))


@every_variant
def test_the_checked_in_html_is_what_its_source_compiles_to(variant: str) -> None:
    assert (TEMPLATE_FOLDER / f"{variant}.html").read_text(encoding="utf-8") == compile_message(variant)


def test_no_file_belongs_to_no_message() -> None:
    kinds = {f"{variant}.{kind}" for variant in variants() for kind in ("mjml", "html", "txt", "subject.txt")}
    assert {path.name for path in TEMPLATE_FOLDER.glob("*.*")} == kinds


@every_variant
def test_reading_a_message_tells_no_third_party(variant: str) -> None:
    html = (TEMPLATE_FOLDER / f"{variant}.html").read_text(encoding="utf-8")
    assert EXTERNAL.findall(html) == []


@on_time_and_late
@every_template
def test_both_bodies_say_the_same(template: str, late: bool) -> None:
    message = render(template, FACTS, late=late)
    seen = VisibleText(message.html)
    spoken = " ".join(message.text.split()).casefold()
    assert [block for block in seen.blocks if block.casefold() not in spoken] == []
    shown = " ".join(seen.blocks).casefold()
    lines = [" ".join(LABEL.sub(r"\1 ", line).split()) for line in message.text.splitlines()]
    unseen = [line for line in lines if line.casefold() not in shown]
    buttons = BUTTONS if template in ABOUT_A_LICENSE else {}
    assert unseen == [*(f"{label} {url}" for label, url in buttons.items()), "--"]
    assert seen.links == [*buttons.values()]


@on_time_and_late
@every_template
def test_the_text_is_set_in_paragraphs(template: str, late: bool) -> None:
    text = render(template, FACTS, late=late).text
    assert "\n\n\n" not in text
    assert "\n\n--\nYou receive this " in text
    if template in ABOUT_A_LICENSE:
        assert re.search(r"\n\n(Holder: .*\n)?License: ", text)
        assert "\n\nOpen the portal: " in text


@on_time_and_late
@every_license_template
def test_every_fact_is_told(template: str, late: bool) -> None:
    message = render(template, FACTS, late=late)
    for body in (message.html, message.text):
        for fact in (
            "Cedar Valley Clinic",
            "Registered Nurse",
            "CA",
            "••••1234",
            "July 1, 2026",
            "30 days left",
        ):
            assert fact in body


@on_time_and_late
@every_license_template
def test_a_license_without_a_state_has_no_such_line(template: str, late: bool) -> None:
    message = render(template, FACTS | {"state": None}, late=late)
    assert "State" not in message.html + message.text
    assert "None" not in message.html + message.text


@on_time_and_late
@every_template
def test_values_are_escaped_in_html_and_plain_in_text(template: str, late: bool) -> None:
    hostile = "<script>alert(1)</script> & \"Sons'"
    texts = dict.fromkeys(("clinic_name", "license_type", "full_name", "holder_name"), hostile)
    message = render(
        template, FACTS | texts | {"state": "<b>", "portal_url": 'https://x.test/?"><i>'}, late=late
    )
    assert "<script" not in message.html
    assert "<b>" not in message.html
    assert '"><i>' not in message.html
    assert hostile in message.text


@on_time_and_late
@every_license_template
def test_the_subject_of_a_reminder_names_no_person_number_or_clinic(template: str, late: bool) -> None:
    subject = render(template, FACTS, late=late).subject
    assert "Registered Nurse license expires in 30 days (July 1, 2026)" in subject
    assert "1234" not in subject
    assert "Cedar" not in subject
    assert "O'" not in subject


def test_a_register_cannot_add_a_header() -> None:
    message = render("primary", FACTS | {"license_type": "Nurse\r\nBcc: all@example.test\u2028X\x00"})
    assert message.subject == "Your Nurse Bcc: all@example.test X license expires in 30 days (July 1, 2026)"


@given(st.text(min_size=1).map(lambda text: text + "x"))
def test_the_subject_is_one_printable_line_whatever_the_register_says(said: str) -> None:
    told = dict.fromkeys(("license_type", "full_name", "clinic_name"), said)
    for template in TEMPLATES:
        subject = render(template, FACTS | told, late=True).subject
        assert len(subject.splitlines()) == 1
        assert subject.encode()


@pytest.mark.parametrize(
    ("days_left", "heading", "status"),
    [
        (90, "expires in 90 days", "90 days left"),
        (2, "expires in 2 days", "2 days left"),
        (1, "expires tomorrow", "1 day left"),
        (0, "expires today", "Last day today"),
        (-1, "expired yesterday", "1 day overdue"),
        (-2, "expired 2 days ago", "2 days overdue"),
        (-6301, "expired 6,301 days ago", "6,301 days overdue"),
    ],
)
@on_time_and_late
@every_license_template
def test_the_time_left_in_words(template: str, late: bool, days_left: int, heading: str, status: str) -> None:
    message = render(template, FACTS | {"days_left": days_left}, late=late)
    whose = "Sam O'Hara's" if template == "escalation" else "Your"
    assert f"Registered Nurse license {heading} (" in message.subject
    assert f"{whose} Registered Nurse license {heading}" in message.text
    assert f"{whose} Registered Nurse license {heading}" in VisibleText(message.html).blocks
    for body in (message.html, message.text):
        assert status in body


@pytest.mark.parametrize(
    ("license_type", "named"),
    [
        ("Pharmacist", "Your Pharmacist license expires"),
        ("Advanced Practice License", "Your Advanced Practice License expires"),
        ("FOOD PERMIT", "Your FOOD PERMIT expires"),
        ("Licensed Vocational Nurse", "Your Licensed Vocational Nurse license expires"),
    ],
)
def test_a_license_is_not_called_a_license_license(license_type: str, named: str) -> None:
    assert render("primary", FACTS | {"license_type": license_type}).subject.startswith(named)


@pytest.mark.parametrize("template", ["primary", "secondary", "past_due"])
def test_the_late_reminder_owns_up(template: str) -> None:
    message = render(template, FACTS, late=True)
    assert message.subject.startswith("Re-confirming: ")
    assert "did not go out when it should have" in message.text


@pytest.mark.parametrize(
    ("template", "late", "subject"),
    [
        ("birthday", False, "Hey, Pat O'Neil, it's your birthday"),
        ("birthday", True, "Hey, Pat O'Neil, happy belated birthday"),
        ("anniversary", False, "41 years with Cedar Valley Clinic"),
        ("anniversary", True, "Belated thanks: 41 years with Cedar Valley Clinic"),
    ],
)
def test_a_greeting_is_headed_by_what_it_is_for(template: str, late: bool, subject: str) -> None:
    message = render(template, FACTS, late=late)
    assert message.subject == subject
    assert subject.removeprefix("Belated thanks: ") in VisibleText(message.html).blocks
    assert ("should have reached you sooner" in message.text) == late


@on_time_and_late
@pytest.mark.parametrize("template", ["birthday", "anniversary"])
def test_a_greeting_is_no_reminder(template: str, late: bool) -> None:
    message = render(template, FACTS, late=late)
    for body in (message.html, message.text):
        assert "license" not in body.casefold()
        assert "portal" not in body


@on_time_and_late
def test_a_birthday_tells_nobodys_age(late: bool) -> None:
    message = render("birthday", FACTS, late=late)
    assert message == render("birthday", FACTS | {"years": 7}, late=late)
    assert "41" not in message.subject + message.text


def test_the_first_anniversary_is_of_one_year() -> None:
    assert render("anniversary", FACTS | {"years": 1}).subject == "1 year with Cedar Valley Clinic"


def test_a_supervisor_reads_who_holds_the_license_and_what_to_do() -> None:
    near = render("escalation", FACTS)
    over = render("escalation", FACTS | {"days_left": -1})
    assert near.subject == "On your team: Registered Nurse license expires in 30 days (July 1, 2026)"
    assert "Please check with Sam O'Hara that the renewal is under way." in near.text
    assert "Please make sure that Sam O'Hara does no work this license covers" in over.text
    assert "the supervisor of Sam O'Hara" in near.text
    assert "Pat" not in near.text + near.html


def test_a_late_escalation_is_the_same_message() -> None:
    assert render("escalation", FACTS, late=True) == render("escalation", FACTS)


@pytest.mark.parametrize("template", ["", "dosage", "late", "birthday_late", "../primary", "primary.html"])
def test_an_unknown_template_is_named(template: str) -> None:
    with pytest.raises(UnknownTemplateError) as caught:
        render(template, FACTS)
    assert caught.value.template == template
    assert isinstance(caught.value, ValueError)


@every_template
def test_a_missing_fact_is_named_and_no_value_is(template: str) -> None:
    for field in TEMPLATES[template].schema.model_fields:
        rest = {name: value for name, value in FACTS.items() if name != field}
        with pytest.raises(MissingFactError) as caught:
            render(template, rest)
        assert (caught.value.template, caught.value.fact) == (template, field)
        assert str(caught.value) == f"the message template {template!r} needs the fact {field!r}"


@every_template
def test_a_refused_fact_is_named_and_not_shown(template: str) -> None:
    wrong = b"RN8841234"
    for field in TEMPLATES[template].schema.model_fields:
        with pytest.raises(ValidationError) as caught:
            render(template, FACTS | {field: wrong})
        assert field in str(caught.value)
        assert "8841234" not in str(caught.value)


@every_template
def test_a_message_is_made_of_its_own_facts_alone(template: str) -> None:
    own = {name: FACTS[name] for name in TEMPLATES[template].schema.model_fields}
    for late in (False, True):
        assert render(template, own, late=late) == render(template, FACTS | {"diagnosis": "none"}, late=late)


@every_variant
def test_templates_name_only_what_their_schema_holds(variant: str) -> None:
    allowed = {*variants()[variant].model_fields, "panel"}
    for kind in ("html", "txt", "subject.txt"):
        assert names_used(f"{variant}.{kind}") <= allowed


def names_used(file: str) -> set[str]:
    # Filters are resolved when a template compiles; here only names matter, so any filter will do.
    reader = Environment(autoescape=True)
    reader.filters.update(
        dict.fromkeys(("align", "clock", "credential", "expiry", "full_years", "long_date"), str)
    )
    parsed = reader.parse((TEMPLATE_FOLDER / file).read_text(encoding="utf-8"))
    included = [name for name in meta.find_referenced_templates(parsed) if name]
    return meta.find_undeclared_variables(parsed).union(*map(names_used, included))
