"""Every hour and after each deploy: what got stuck or came too late, set right; operators told of what was given up;
renewals as they stand.
"""

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

from nolapse.delivery.catch_up import catch_up
from nolapse.delivery.ops import gather, tell
from nolapse.domain.errors import NolapseError
from nolapse.oversight.renewals import refresh_renewals
from nolapse.runtime.bootstrap import Runtime
from nolapse.runtime.observability import logger
from nolapse.runtime.runs import Counts, recorded


def handler(event: dict[str, Any], context: Any) -> Counts:
    return recorded("catch_up", run)


def run(runtime: Runtime, now: datetime) -> Counts:
    patience = timedelta(seconds=runtime.settings.provider_timeout_seconds)
    counts = catch_up(runtime.engine, runtime.outlets, runtime.late_policy, patience=patience, now=now)
    counts.update(tell_operators(runtime, now))
    refresh_renewals(runtime.engine)
    return counts


def tell_operators(runtime: Runtime, now: datetime) -> Counts:
    """Without a secret that names their channels nothing is gathered: the next run tells them."""
    counts = Counter(given_up=0, instead=0, ops_told=0, ops_failed=0)
    try:
        ops = runtime.ops
    except NolapseError as refused:
        logger().error("ops.unavailable", why=str(refused))
        counts["ops_failed"] += 1
        return counts
    for told in gather(runtime.engine, [provider.name for provider in ops], now=now):
        logger().warning("ops.told", tenant=told.tenant, kind=told.kind, count=told.total)
        counts[told.kind.lower()] += told.total
    counts.update(tell(runtime.engine, ops, now=now))
    return counts
