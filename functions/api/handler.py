"""The HTTP API."""

from typing import Any

from nolapse.runtime.bootstrap import runtime


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    return runtime().api.resolve(event, context)
