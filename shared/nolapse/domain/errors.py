"""Everything that Nolapse raises on purpose.

NolapseError
├── InvalidSignature
└── UnknownZone
"""


class NolapseError(Exception):
    """The root of the tree."""


class InvalidSignature(NolapseError):
    """What claims to come from a vendor is not signed by it: nothing in it may be believed."""

    def __init__(self, vendor: str) -> None:
        super().__init__(f"not signed by {vendor}")
        self.vendor = vendor


class UnknownZone(NolapseError):
    """A time zone that the pinned tzdata does not know."""

    def __init__(self, zone: str) -> None:
        super().__init__(f"unknown time zone {zone!r}: use an IANA name such as America/New_York")
        self.zone = zone
