"""A reminder says what expires and when, in two equivalent bodies, and nothing personal beyond that."""

import re
from datetime import date
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import Environment, meta

from local.compile_messages import compile_message
from nolapse.messages.errors import UnknownTemplateError
from nolapse.messages.rendering import TEMPLATE_FOLDER, TEMPLATES, render
from nolapse.messages.schemas import ReminderVariables, mask

VARIABLES = ReminderVariables(
    clinic_name="Cedar Valley Clinic",
    license_type="Registered Nurse",
    state="CA",
    license_last4=mask("RN8841234"),
    expires_on=date(2026, 7, 1),
    days_left=30,
    portal_url="https://portal.example.test/licenses?a=1&b=2",
)

LABEL = re.compile(r"^(\w+|Open the portal): ")

every_template = pytest.mark.parametrize("template", TEMPLATES)


def with_values(**values: object) -> ReminderVariables:
    return ReminderVariables(**{**VARIABLES.model_dump(), **values})


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


@every_template
def test_the_checked_in_html_is_what_its_source_compiles_to(template: str) -> None:
    assert (TEMPLATE_FOLDER / f"{template}.html").read_text(encoding="utf-8") == compile_message(template)


@every_template
def test_both_bodies_say_the_same(template: str) -> None:
    message = render(template, VARIABLES)
    seen = VisibleText(message.html)
    spoken = " ".join(message.text.split()).casefold()
    assert [block for block in seen.blocks if block.casefold() not in spoken] == []
    shown = " ".join(seen.blocks).casefold()
    lines = [" ".join(LABEL.sub(r"\1 ", line).split()) for line in message.text.splitlines()]
    unseen = [line for line in lines if line.casefold() not in shown]
    assert unseen == ["Open the portal https://portal.example.test/licenses?a=1&b=2", "--"]
    assert seen.links == ["https://portal.example.test/licenses?a=1&b=2"]


@every_template
def test_every_fact_is_told(template: str) -> None:
    message = render(template, VARIABLES)
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


@every_template
def test_a_license_without_a_state_has_no_such_line(template: str) -> None:
    message = render(template, with_values(state=None))
    assert "State" not in message.html + message.text
    assert "None" not in message.html + message.text


@every_template
def test_values_are_escaped_in_html_and_plain_in_text(template: str) -> None:
    hostile = "<script>alert(1)</script> & \"Sons'"
    message = render(
        template,
        with_values(
            clinic_name=hostile, license_type=hostile, state="<b>", portal_url='https://x.test/?"><i>'
        ),
    )
    assert "<script" not in message.html
    assert "<b>" not in message.html
    assert '"><i>' not in message.html
    assert hostile in message.text


@every_template
def test_the_subject_names_no_person_number_or_clinic(template: str) -> None:
    subject = render(template, VARIABLES).subject
    assert "Registered Nurse license expires in 30 days (July 1, 2026)" in subject
    assert "1234" not in subject
    assert "Cedar" not in subject


def test_a_register_cannot_add_a_header() -> None:
    message = render("primary", with_values(license_type="Nurse\r\nBcc: all@example.test\u2028X\x00"))
    assert message.subject == "Your Nurse Bcc: all@example.test X license expires in 30 days (July 1, 2026)"


@given(st.text(min_size=1).map(lambda text: text + "x"))
def test_the_subject_is_one_printable_line_whatever_the_register_says(license_type: str) -> None:
    subject = render("late", with_values(license_type=license_type)).subject
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
@every_template
def test_the_time_left_in_words(template: str, days_left: int, heading: str, status: str) -> None:
    message = render(template, with_values(days_left=days_left))
    assert f"Registered Nurse license {heading} (" in message.subject
    for body in (message.html, message.text):
        assert f"Your Registered Nurse license {heading}" in body
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
    assert render("primary", with_values(license_type=license_type)).subject.startswith(named)


def test_the_late_message_owns_up() -> None:
    message = render("late", VARIABLES)
    assert message.subject.startswith("Re-confirming: ")
    assert "did not go out when it should have" in message.text


@pytest.mark.parametrize("template", ["", "birthday", "../primary", "primary.html"])
def test_an_unknown_template_is_named(template: str) -> None:
    with pytest.raises(UnknownTemplateError) as caught:
        render(template, VARIABLES)
    assert caught.value.template == template


def test_templates_name_only_what_the_schema_holds() -> None:
    sources = [path for path in TEMPLATE_FOLDER.rglob("*") if path.suffix in {".html", ".txt"}]
    # Filters are resolved when a template compiles; here only names matter, so any filter will do.
    reader = Environment(autoescape=True)
    reader.filters.update(dict.fromkeys(("align", "credential", "expiry", "long_date"), str))
    parsed = [reader.parse(path.read_text(encoding="utf-8")) for path in sources]
    used = set().union(*map(meta.find_undeclared_variables, parsed))
    assert used <= {*ReminderVariables.model_fields, "facts"}
