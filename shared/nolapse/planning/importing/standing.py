"""Whether a register's status says that a licence is over for good, and nobody need be reminded of it."""

import re
from functools import lru_cache

OVER = re.compile(
    r"\b(surrender(ed)?|revo(ked|cation)|rescinded|deceased|dead|cancel(l?ed|lation)?|void(ed)?|withdrawn|retired"
    r"|relinquished|terminated|superseded|closed|dissolved|out of business)\b"
)
# What keeps it alive, or leaves it undecided: "revocation stayed, probation", "retired - active".
NOT_OVER = re.compile(
    r"\b(active|current|valid|stayed|probation|pending|reinstated|appeal(ed|ing)?|not|non)\b"
)

# City of Chicago, Business Licenses data set: AAC cancelled during its term, REV revoked. REA, a revocation
# under appeal, leaves it open.
OVER_CODES = frozenset({"aac", "rev"})


@lru_cache(maxsize=4096)
def is_over(status: str) -> bool:
    text = status.casefold()
    return text in OVER_CODES or bool(OVER.search(text) and not NOT_OVER.search(text))
