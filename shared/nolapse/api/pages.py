"""Pages that the API renders itself: no script, no cookie, nothing from anybody else."""

import base64
import hashlib
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

from aws_lambda_powertools.event_handler import Response

from nolapse.messages import wording

if TYPE_CHECKING:
    from jinja2 import Environment

FOLDER = Path(__file__).parent / "templates"


def page(template: str, status: HTTPStatus = HTTPStatus.OK, **values: object) -> Response[str]:
    return Response(
        status_code=status,
        content_type="text/html; charset=utf-8",
        body=_environment().get_template(template).render(values),
        headers={**private(), "Content-Security-Policy": _policy()},
    )


def private() -> dict[str, str]:
    """For whatever a link alone opens: kept by no cache and no index, told to no other site."""
    return {
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Robots-Tag": "noindex, nofollow",
        "Strict-Transport-Security": "max-age=31536000",
    }


@cache
def _style() -> str:
    return (FOLDER / "page.css").read_text(encoding="utf-8")


def _policy() -> str:
    """https://www.w3.org/TR/CSP3/: nothing may load; the one style is allowed by its hash."""
    style = base64.b64encode(hashlib.sha256(_style().encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{style}'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    )


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415  most requests want no page

    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters.update(
        credential=wording.credential, expiry=wording.expiry, long_date=wording.long_date
    )
    environment.globals["style"] = _style
    return environment
