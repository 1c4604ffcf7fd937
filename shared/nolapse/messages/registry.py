"""Every message that a step of a policy may name, with what it may say and what is sent once its window passed.

A further kind is one line here and its three files in templates/ (NAME.mjml, NAME.txt, NAME.subject.txt; the
late variant's too, unless it is one of those here), compiled by `make templates`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from nolapse.messages.errors import UnknownTemplateError
from nolapse.messages.schemas import (
    AnniversaryVariables,
    DoseVariables,
    EscalationVariables,
    GreetingVariables,
    MissedDoseVariables,
    ReminderVariables,
    Variables,
)


@dataclass(frozen=True, slots=True)
class Template:
    """`late` names the files of the variant that owns up to the delay; it shares the schema."""

    schema: type[Variables]
    late: str


TEMPLATES: Mapping[str, Template] = MappingProxyType(
    {
        "primary": Template(ReminderVariables, late="late"),
        "secondary": Template(ReminderVariables, late="late"),
        "past_due": Template(ReminderVariables, late="late"),
        "birthday": Template(GreetingVariables, late="birthday_late"),
        "anniversary": Template(AnniversaryVariables, late="anniversary_late"),
        # A supervisor is owed the facts, not an apology: what counts is the days left when it is read.
        "escalation": Template(EscalationVariables, late="escalation"),
        "dose": Template(DoseVariables, late="dose_late"),
        "missed_dose": Template(MissedDoseVariables, late="missed_dose"),
    }
)


def find_template(name: str) -> Template:
    try:
        return TEMPLATES[name]
    except KeyError:
        raise UnknownTemplateError(name) from None


def wording(template: str, *, late: bool) -> str:
    """Whose files a message is made of: the template's, or those of its late variant."""
    return find_template(template).late if late else template


def variants() -> Mapping[str, type[Variables]]:
    """Every name that has files in templates/, late variants too, and its schema."""
    return {name: template.schema for kind, template in TEMPLATES.items() for name in (kind, template.late)}
