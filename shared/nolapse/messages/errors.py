"""Exceptions of this room, under `nolapse.domain.errors.NolapseError`.

NolapseError
└── UnrenderableError
    ├── UnknownTemplateError
    └── MissingFactError
"""

from nolapse.domain.errors import NolapseError


class UnrenderableError(NolapseError, ValueError):
    """A ValueError like pydantic's own refusal of a value, so that one `except` sets aside what can't be said."""


class UnknownTemplateError(UnrenderableError):
    def __init__(self, template: str) -> None:
        self.template = template
        super().__init__(f"there is no message template {template!r}")


class MissingFactError(UnrenderableError):
    def __init__(self, template: str, fact: str) -> None:
        self.template = template
        self.fact = fact
        super().__init__(f"the message template {template!r} needs the fact {fact!r}")
