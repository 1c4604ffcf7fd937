"""A template and its variables become a message."""

from functools import lru_cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from nolapse.domain.messages import Rendered
from nolapse.messages import wording
from nolapse.messages.errors import UnknownTemplateError
from nolapse.messages.schemas import ReminderVariables

TEMPLATES = ("primary", "secondary", "past_due", "late")
TEMPLATE_FOLDER = Path(__file__).parent / "templates"


def render(template: str, variables: ReminderVariables) -> Rendered:
    if template not in TEMPLATES:
        raise UnknownTemplateError(template)
    values = {**variables.model_dump(), "facts": wording.facts(variables)}
    return Rendered(
        subject=_fill(f"{template}.subject.txt", values),
        html=_fill(f"{template}.html", values),
        text=_fill(f"{template}.txt", values),
    )


def _fill(name: str, values: dict[str, object]) -> str:
    return _environment().get_template(name).render(values)


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATE_FOLDER),
        autoescape=select_autoescape(enabled_extensions=("html",), default=False),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    filters = (wording.align, wording.credential, wording.expiry, wording.long_date)
    environment.filters.update({function.__name__: function for function in filters})
    return environment
