"""Somebody erased while a reminder about a date of theirs is on its way: nothing leaves, stops or is left."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from uuid import UUID

import pytest

from nolapse.planning.erasure import StillUnderWay, erase
from nolapse.planning.plan import bounds
from tests.integration.conftest import DAILY
from tests.integration.delivery.conftest import Delivery
from tests.integration.delivery.test_receipts import Vendors, vendors
from tests.integration.waiting import wait_for

__all__ = ["vendors"]

# Eight in the morning in New York.
DUE = datetime(2026, 10, 26, 12, tzinfo=UTC)
LIMITS = bounds(DUE, horizon_months=13, lookback_days=14)
LEFT = """
SELECT (SELECT count(*) FROM notification_schedule WHERE medication_id IS NOT NULL),
  (SELECT count(*) FROM notification_outbox)
"""


def prescribed(delivery: Delivery) -> UUID:
    taker = delivery.register.clinician(delivery.register.tenant(), email="pat@home.test")
    delivery.register.prescribe(taker, DAILY)
    return taker


def erased(delivery: Delivery, person: UUID) -> None:
    with delivery.register.database.engine.begin() as connection:
        erase(connection, person, LIMITS)


def test_what_lies_in_the_queue_is_not_sent(delivery: Delivery) -> None:
    taker = prescribed(delivery)
    delivery.scan(DUE)

    erased(delivery, taker)
    delivery.dispatch()

    assert delivery.mail == []
    assert delivery.register.rows(LEFT) == [(0, 0)]


def test_what_a_dispatcher_has_looked_at_is_not_sent(delivery: Delivery) -> None:
    taker = prescribed(delivery)
    delivery.scan(DUE)
    with ThreadPoolExecutor() as pool, delivery.register.database.engine.begin() as erasing:
        erase(erasing, taker, LIMITS)
        dispatching = pool.submit(delivery.dispatch)
        wait_for(delivery.register, 1)
        erasing.commit()
        dispatching.result()

    assert delivery.mail == []
    assert delivery.register.rows(LEFT) == [(0, 0)]


def test_what_may_be_leaving_must_be_over_first(delivery: Delivery) -> None:
    taker = prescribed(delivery)
    delivery.scan(DUE)
    delivery.register.execute("UPDATE notification_schedule SET status = 'SENDING' WHERE status = 'QUEUED'")
    before = delivery.register.rows(LEFT)

    with pytest.raises(StillUnderWay):
        erased(delivery, taker)

    assert delivery.register.rows(LEFT) == before


def test_a_receipt_that_comes_after_it_waits_in_vain(vendors: Vendors) -> None:
    delivery = vendors.delivery
    taker = prescribed(delivery)
    delivery.send(DUE)

    erased(delivery, taker)

    assert vendors.sendgrid("delivered") == 200
    assert vendors.bounce() == 200
    delivery.catch_up()
    assert delivery.register.rows(LEFT) == [(0, 0)]
