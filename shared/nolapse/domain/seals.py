"""What we said and nobody else: signed claims, for queue messages and for links in messages.

A seal is `KEY_ID.CLAIMS.SIGNATURE`, readable by anybody and made by us alone: HMAC-SHA256 by PyPI's `itsdangerous`,
with a key derived per purpose, so that a link's seal opens no queue message. Keys rotate: the current one seals, all
open.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from itsdangerous import BadData, URLSafeSerializer

from nolapse.domain.errors import NolapseError

EXPIRES = "exp"
LEAST_KEY_BYTES = 32


class BrokenSeal(NolapseError):
    """Forged, altered, of an unknown key, for another purpose, or `expired`."""

    def __init__(self, purpose: str, *, expired: bool = False) -> None:
        super().__init__(f"a seal for {purpose} is {'expired' if expired else 'not ours'}")
        self.purpose = purpose
        self.expired = expired


@dataclass(frozen=True)
class KeyRing:
    """`keys`: secrets by key id, at least 32 bytes each; `current` is the id of the one that seals."""

    keys: Mapping[str, str] = field(repr=False)
    current: str

    def __post_init__(self) -> None:
        if self.current not in self.keys:
            raise ValueError(f"the current key {self.current!r} is not among the keys")
        if short := [name for name, key in self.keys.items() if len(key.encode()) < LEAST_KEY_BYTES]:
            raise ValueError(f"keys of fewer than {LEAST_KEY_BYTES} bytes: {', '.join(short)}")
        if odd := [name for name in self.keys if not name.replace("-", "").isalnum()]:
            raise ValueError(f"key ids are letters, digits and hyphens: {', '.join(odd)}")

    def seal(self, purpose: str, claims: Mapping[str, Any], *, expires_at: datetime | None = None) -> str:
        """Claims are what JSON can say."""
        stated = dict(claims) | ({EXPIRES: int(expires_at.timestamp())} if expires_at else {})
        return f"{self.current}.{self._serializer(purpose, self.current).dumps(stated)}"

    def open(self, purpose: str, sealed: str, *, now: datetime) -> dict[str, Any]:
        """The claims of a seal made for this purpose. Raises BrokenSeal."""
        key_id, _, signed = sealed.partition(".")
        if key_id not in self.keys:
            raise BrokenSeal(purpose)
        try:
            claims: dict[str, Any] = self._serializer(purpose, key_id).loads(signed)
        except BadData:
            raise BrokenSeal(purpose) from None
        if claims.pop(EXPIRES, now.timestamp()) < now.timestamp():
            raise BrokenSeal(purpose, expired=True)
        return claims

    def _serializer(self, purpose: str, key_id: str) -> URLSafeSerializer:
        return URLSafeSerializer(
            self.keys[key_id],
            salt=f"nolapse.{purpose}",
            signer_kwargs={"digest_method": hashlib.sha256, "key_derivation": "hmac"},
        )
