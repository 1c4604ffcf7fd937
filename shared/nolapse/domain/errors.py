"""Everything that Nolapse raises on purpose.

NolapseError
└── UnknownZone
"""


class NolapseError(Exception):
    """The root of the tree."""


class UnknownZone(NolapseError):
    """A time zone that the pinned tzdata does not know."""

    def __init__(self, zone: str) -> None:
        super().__init__(f"unknown time zone {zone!r}: use an IANA name such as America/New_York")
        self.zone = zone
