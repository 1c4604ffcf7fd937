"""Query parameters, as routes declare them: one that a route does not take is refused, for a filter whose name is
misspelled would show everything.
"""

from collections.abc import Iterator
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.middlewares import NextMiddleware
from pydantic import BaseModel

from nolapse.api.errors import FieldError, Unprocessable

# Pages behind links in messages: mail programs and scanners hang parameters of their own on them.
LINKED = ("/r/<token>", "/u/<token>")


def refuse_undeclared(app: APIGatewayHttpResolver, next_middleware: NextMiddleware) -> Response[Any]:
    """A middleware of every route. Raises Unprocessable."""
    route = app.context["_route"]
    declared = sorted(_names(route))
    unknown = sorted(app.current_event.query_string_parameters.keys() - declared)
    if unknown and route.path not in LINKED:
        takes = f"only {', '.join(declared)}" if declared else "none"
        raise Unprocessable(
            [
                FieldError(field=name, message=f"is no query parameter here: there is {takes}")
                for name in unknown
            ]
        )
    return next_middleware(app)


def _names(route: Any) -> Iterator[str]:
    for parameter in route.dependant.query_params:
        model = parameter.field_info.annotation
        if isinstance(model, type) and issubclass(model, BaseModel):
            yield from model.model_fields
        else:
            yield parameter.alias
