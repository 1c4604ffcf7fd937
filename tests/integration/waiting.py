"""Until others are where a test wants them."""

import time

from sqlalchemy import text

from tests.integration.conftest import Register


def wait_for(register: Register, waiting: int) -> None:
    """Until so many are kept waiting by a lock."""
    found = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    with register.database.owner.connect().execution_options(isolation_level="AUTOCOMMIT") as owner:
        while owner.scalar(found) != waiting:
            time.sleep(0.01)
