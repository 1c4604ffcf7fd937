"""Every hour and after each deploy: what got stuck or came too late, set right."""

from datetime import datetime
from typing import Any

from nolapse.delivery.catch_up import catch_up
from nolapse.runtime.bootstrap import Runtime
from nolapse.runtime.runs import Counts, recorded


def handler(event: dict[str, Any], context: Any) -> Counts:
    return recorded("catch_up", run)


def run(runtime: Runtime, now: datetime) -> Counts:
    return catch_up(runtime.engine, runtime.outlets, runtime.late_policy, now=now)
