"""What we said and nobody else: signed claims, for queue messages and for links in messages.

A seal is `KEY_ID.CLAIMS.SIGNATURE`, readable by anybody and made by us alone: HMAC-SHA256 by PyPI's `itsdangerous`,
with a key derived per purpose, so that a link's seal opens no queue message. Keys rotate: the current one seals, all
open. The claims are JSON in base64url: itsdangerous' own serializer would try to compress them, at thrice the cost.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any

from itsdangerous import BadData, Signer
from itsdangerous.encoding import base64_decode, base64_encode

from nolapse.domain.errors import NolapseError

EXPIRES = "exp"
LEAST_KEY_BYTES = 32
COMPACT = json.JSONEncoder(separators=(",", ":"))


class BrokenSeal(NolapseError):
    """Forged, altered, of an unknown key, for another purpose, or `expired`."""

    def __init__(self, purpose: str, *, expired: bool = False) -> None:
        super().__init__(f"a seal for {purpose} is {'expired' if expired else 'not ours'}")
        self.purpose = purpose
        self.expired = expired


@dataclass(frozen=True)
class KeyRing:
    """`keys`: secrets by key id, at least 32 bytes each; `current` is the id of the one that seals.

    `newer` finds the ring of now, for a seal by a key that is not in this one: it may have been put in meanwhile.
    """

    keys: Mapping[str, str] = field(repr=False)
    current: str
    newer: "Callable[[], KeyRing] | None" = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.current not in self.keys:
            # Not what it says: that may be a key, put in the wrong place.
            raise ValueError("current is not among the keys")
        if short := [name for name, key in self.keys.items() if len(key.encode()) < LEAST_KEY_BYTES]:
            raise ValueError(f"keys of fewer than {LEAST_KEY_BYTES} bytes: {', '.join(short)}")
        if odd := [name for name in self.keys if not name.replace("-", "").isalnum()]:
            raise ValueError(f"key ids are letters, digits and hyphens: {', '.join(odd)}")

    def seal(self, purpose: str, claims: Mapping[str, Any], *, expires_at: datetime | None = None) -> str:
        """Claims are what JSON can say."""
        stated = dict(claims) | ({EXPIRES: int(expires_at.timestamp())} if expires_at else {})
        said = base64_encode(COMPACT.encode(stated))
        return f"{self.current}.{_signer(self.keys[self.current], purpose).sign(said).decode()}"

    def open(self, purpose: str, sealed: str, *, now: datetime) -> dict[str, Any]:
        """The claims of a seal made for this purpose. Raises BrokenSeal."""
        key_id, _, signed = sealed.partition(".")
        keys = self.keys if key_id in self.keys or self.newer is None else self.newer().keys
        if key_id not in keys:
            raise BrokenSeal(purpose)
        try:
            said = base64_decode(_signer(keys[key_id], purpose).unsign(signed))
        except BadData:
            raise BrokenSeal(purpose) from None
        claims: dict[str, Any] = json.loads(said)
        if claims.pop(EXPIRES, now.timestamp()) < now.timestamp():
            raise BrokenSeal(purpose, expired=True)
        return claims


@lru_cache(maxsize=32)
def _signer(secret: str, purpose: str) -> Signer:
    """With the purpose's key at hand, which a Signer that derives it derives for every signature."""
    deriving = Signer(secret, salt=f"nolapse.{purpose}", digest_method=hashlib.sha256, key_derivation="hmac")
    return Signer(deriving.derive_key(), digest_method=hashlib.sha256, key_derivation="none")
