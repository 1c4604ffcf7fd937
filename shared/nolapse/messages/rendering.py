"""A template and the facts of a notification become a message."""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from nolapse.domain.messages import Rendered
from nolapse.messages import registry, wording
from nolapse.messages.errors import MissingFactError
from nolapse.messages.registry import find_template
from nolapse.messages.schemas import Variables

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATE_FOLDER = Path(__file__).parent / "templates"


def render(template: str, facts: Mapping[str, object], *, late: bool = False) -> Rendered:
    """The message of `template`, or of its late variant, from those facts that its schema names.

    Raises UnrenderableError, or pydantic's ValidationError without the value: ValueErrors both.
    """
    kind = find_template(template)
    variables = _pick(template, kind.schema, facts)
    name = registry.wording(template, late=late)
    values = {**variables.model_dump(), "panel": variables.panel()}
    return Rendered(
        subject=_fill(f"{name}.subject.txt", values),
        html=_fill(f"{name}.html", values),
        text=_fill(f"{name}.txt", values),
    )


def _pick(template: str, schema: type[Variables], facts: Mapping[str, object]) -> Variables:
    try:
        return schema.model_validate({field: facts[field] for field in schema.model_fields})
    except KeyError as missing:
        raise MissingFactError(template, str(missing.args[0])) from None


def _fill(name: str, values: dict[str, object]) -> str:
    return _environment().get_template(name).render(values)


@lru_cache(maxsize=1)
def _environment() -> "Environment":
    # The first message pays for it, as for its vendor's SDK; a batch with nothing left to send does not.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape  # noqa: PLC0415

    environment = Environment(
        loader=FileSystemLoader(TEMPLATE_FOLDER),
        autoescape=select_autoescape(enabled_extensions=("html",), default=False),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    filters = (
        wording.align,
        wording.clock,
        wording.credential,
        wording.expiry,
        wording.full_years,
        wording.long_date,
    )
    environment.filters.update({function.__name__: function for function in filters})
    return environment
