"""Everything that Nolapse raises on purpose.

NolapseError
├── InvalidSignature
├── MalformedReceipt
├── OutsideReplayWindow
└── UnknownZone
"""


class NolapseError(Exception):
    """The root of the tree."""


class InvalidSignature(NolapseError):
    """What claims to come from a vendor is not signed by it: nothing in it may be believed."""

    def __init__(self, vendor: str) -> None:
        super().__init__(f"not signed by {vendor}")
        self.vendor = vendor


class MalformedReceipt(NolapseError):
    """A vendor signed it, but it is not of the shape that its documentation says."""

    def __init__(self, vendor: str) -> None:
        super().__init__(f"not of the shape of {vendor}'s receipts")
        self.vendor = vendor


class OutsideReplayWindow(NolapseError):
    """A vendor signed it, but not just now: it may be a recording."""

    def __init__(self, vendor: str, seconds: float) -> None:
        super().__init__(f"signed by {vendor} {seconds:.0f} seconds ago")
        self.vendor = vendor
        self.seconds = seconds


class UnknownZone(NolapseError):
    """A time zone that the pinned tzdata does not know."""

    def __init__(self, zone: str) -> None:
        super().__init__(f"unknown time zone {zone!r}: use an IANA name such as America/New_York")
        self.zone = zone
