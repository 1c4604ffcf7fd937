"""Exceptions of this room, under `nolapse.domain.errors.NolapseError`.

NolapseError
└── UnknownTemplateError
"""

from nolapse.domain.errors import NolapseError


class UnknownTemplateError(NolapseError):
    def __init__(self, template: str) -> None:
        self.template = template
        super().__init__(f"there is no message template {template!r}")
