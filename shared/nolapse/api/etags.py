"""ETag and If-Match against lost updates (RFC 9110 §8.8, §13.1.1): a tag is a digest of what was shown."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from nolapse.api.errors import PreconditionFailed, PreconditionNeeded

# Beside a record in the answer to its edit or to a decision about it, and no part of it.
ASIDE = frozenset({"rescheduled", "planned"})


def etag(record: Mapping[str, Any]) -> str:
    shown = {name: value for name, value in record.items() if name not in ASIDE}
    digest = hashlib.sha256(json.dumps(shown, sort_keys=True, default=str).encode()).hexdigest()
    return f'"{digest[:32]}"'


def require_match(if_match: str | None, current: BaseModel) -> None:
    """`current` is the record, locked. Raises PreconditionNeeded, PreconditionFailed."""
    if not if_match:
        raise PreconditionNeeded(
            "IF_MATCH_NEEDED",
            "send If-Match with the ETag that you last read, or * to change whatever is there",
        )
    tags = {tag.strip() for tag in if_match.split(",")}
    if not tags & {"*", etag(current.model_dump(mode="json"))}:
        raise PreconditionFailed(
            "CHANGED_MEANWHILE", "somebody changed this meanwhile: read it again, then decide"
        )
