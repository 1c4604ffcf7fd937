"""Receipts in every order, repeated, in any batches, by several at once: the end is the same."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from nolapse.delivery.receipts import take_receipts
from nolapse.domain.receipts import Receipt, ReceiptKind
from tests.integration.conftest import Register
from tests.integration.delivery.conftest import EXPIRES, OPENS

LATE_SINCE = OPENS - timedelta(days=14)
PHONE = "+12125550123"
# What had become of each row, and of its attempts, before a receipt came; with one channel left, or none.
ROWS = [
    ("SENT", ["ACCEPTED"], 2), ("SENT", ["ACCEPTED"], 1),
    ("SENDING", [None], 2),
    ("UNKNOWN", ["UNKNOWN"], 2), ("UNKNOWN", ["RETRY_SAFE", "UNKNOWN"], 1),
    ("HELD", ["UNKNOWN"], 2),
    ("PENDING", ["NOT_FOUND"], 2), ("PENDING", ["UNPROVEN"], 1),
    ("QUEUED", ["UNPROVEN"], 2),
    ("SENT", ["UNPROVEN", "ACCEPTED"], 2), ("SENT", ["UNPROVEN", "UNPROVEN", "ACCEPTED"], 1),
    ("DEFERRED", ["REJECTED"], 1), ("DEFERRED", ["REJECTED", "REJECTED"], 2),
]  # fmt: skip
ATTEMPTS = [(row, number) for row, (_, outcomes, _) in enumerate(ROWS) for number in range(len(outcomes))]
# Of what was refused before another attempt was made no vendor tells that it arrived: the order would decide.
TOLD = [each for each in ATTEMPTS if each != (12, 0)]
CODES = {ReceiptKind.BOUNCED: "sendgrid:bounce:invalid-address"}
ADDRESSED = {ReceiptKind.UNSUBSCRIBED: "STOP", ReceiptKind.RESUBSCRIBED: "START"}

SETTLE = """
UPDATE notification_schedule AS schedule
SET status = given.status, attempt_count = given.attempts, channels = (ARRAY['EMAIL', 'SMS'])[1 : given.channels],
    channel_position = 1, claimed_at = CASE WHEN given.status NOT IN ('PENDING', 'LATE_PENDING') THEN scheduled_at END,
    reason = CASE WHEN given.status IN ('HELD', 'DEFERRED') THEN 'because' END, retry_count = 0, late = false,
    next_attempt_at = scheduled_at, send_by = window_end, updated_at = scheduled_at
FROM unnest(CAST(:keys AS bytea[]), CAST(:statuses AS text[]), CAST(:attempts AS smallint[]),
  CAST(:channels AS smallint[])) AS given (key, status, attempts, channels)
WHERE idempotency_key = given.key
"""
TRY = """
INSERT INTO notification_outbox (attempt_id, idempotency_key, tenant_id, attempt_number, scheduled_at, started_at,
  lease_until, channel, provider, recipient, template, outcome, finished_at, provider_message_id)
SELECT given.attempt_id, key, tenant_id, number, scheduled_at, scheduled_at, window_end, 'EMAIL', 'sendgrid',
  'ada' || place || '@clinic.test', template, outcome, CASE WHEN outcome IS NOT NULL THEN scheduled_at END,
  CASE WHEN outcome = 'ACCEPTED' THEN 'm' || place || '-' || number END
FROM unnest(CAST(:ids AS uuid[]), CAST(:keys AS bytea[]), CAST(:places AS text[]), CAST(:numbers AS smallint[]),
  CAST(:outcomes AS text[])) AS given (attempt_id, key, place, number, outcome)
JOIN notification_schedule ON idempotency_key = key
"""
END = {
    "rows": "SELECT idempotency_key, status, channel_position, late, retry_count, claimed_at IS NULL, next_attempt_at,"
    " send_by FROM notification_schedule WHERE event = 'SECONDARY' ORDER BY 1",
    "attempts": "SELECT attempt_id, outcome, code, delivered_at, provider_message_id FROM notification_outbox"
    " ORDER BY 1",
    "suppressions": "SELECT tenant_id, address_sha256, channel, reason, since, lifted_at, in_force FROM suppressions"
    " ORDER BY 1, 2, 3, 4",
    "receipts": "SELECT provider, event_id, kind FROM provider_receipts ORDER BY 1, 2, 3",
}


def attempt_id(row: int, number: int) -> UUID:
    return UUID(int=row * 100 + number)


class Base:
    """A base whose rows are put back to where ROWS says, however often."""

    def __init__(self, register: Register) -> None:
        self.register = register
        tenant = register.tenant()
        register.execute(
            "INSERT INTO clinicians (tenant_id, external_id, full_name, email, phone)"
            " SELECT :tenant, n, 'Ada', 'ada' || n || '@clinic.test', :phone FROM generate_series(1, :people) AS n",
            tenant=tenant,
            phone=PHONE,
            people=len(ROWS),
        )
        register.execute(
            "INSERT INTO licenses (tenant_id, clinician_id, license_type, state, license_number, expires_on)"
            " SELECT tenant_id, clinician_id, 'RN', 'NY', external_id, :expires FROM clinicians",
            expires=EXPIRES,
        )
        register.plan()
        self.keys = [
            key
            for (key,) in register.rows(
                "SELECT idempotency_key FROM notification_schedule WHERE event = 'SECONDARY' ORDER BY 1"
            )
        ]

    def restore(self) -> None:
        with self.register.database.owner.begin() as connection:
            connection.execute(text("SET LOCAL session_replication_role = replica"))
            for table in ("provider_receipts", "suppressions", "notification_outbox"):
                connection.execute(text(f"DELETE FROM {table}"))  # noqa: S608
            connection.execute(
                text(SETTLE),
                {
                    "keys": self.keys,
                    "statuses": [status for status, _, _ in ROWS],
                    "attempts": [len(outcomes) for _, outcomes, _ in ROWS],
                    "channels": [channels for _, _, channels in ROWS],
                },
            )
            connection.execute(
                text(TRY),
                {
                    "ids": [attempt_id(*each) for each in ATTEMPTS],
                    "keys": [self.keys[row] for row, _ in ATTEMPTS],
                    "places": [str(row) for row, _ in ATTEMPTS],
                    "numbers": [number + 1 for _, number in ATTEMPTS],
                    "outcomes": [ROWS[row][1][number] for row, number in ATTEMPTS],
                },
            )

    def take(self, receipts: Sequence[Receipt]) -> None:
        take_receipts(self.register.database.engine, receipts, now=OPENS, late_since=LATE_SINCE)

    def end(self, batches: Sequence[Sequence[Receipt]]) -> dict[str, Any]:
        self.restore()
        for batch in batches:
            self.take(batch)
        return self.look()

    def look(self) -> dict[str, Any]:
        return {name: self.register.rows(query) for name, query in END.items()}


@pytest.fixture
def base(register: Register) -> Base:
    return Base(register)


def receipt(place: int, number: int, kind: ReceiptKind, minute: int) -> Receipt:
    return Receipt(
        provider="sendgrid",
        event_id=f"{place}-{number}-{minute}",
        provider_message_id=f"m{place}-{number + 1}",
        attempt_id=str(attempt_id(place, number)),
        key=None,
        kind=kind,
        code=CODES.get(kind),
        at=OPENS + timedelta(minutes=minute),
    )


def word(kind: ReceiptKind, minute: int) -> Receipt:
    return Receipt(
        provider="twilio-sms",
        event_id=f"SM-{minute}",
        provider_message_id=f"SM-{minute}",
        attempt_id=None,
        key=None,
        kind=kind,
        code=f"twilio-sms:{ADDRESSED[kind]}",
        at=OPENS + timedelta(minutes=minute),
        address=PHONE,
    )


KINDS = [kind for kind in ReceiptKind if kind is not ReceiptKind.RESUBSCRIBED]
RECEIPTS = st.one_of(
    st.builds(
        lambda each, kind, minute: receipt(*each, kind, minute),
        st.sampled_from(TOLD), st.sampled_from(KINDS), st.integers(0, 3),
    ),
    st.builds(word, st.sampled_from(list(ADDRESSED)), st.integers(0, 5)),
)  # fmt: skip
BOUNCED_TWICE = [receipt(9, 0, ReceiptKind.BOUNCED, 1), receipt(9, 1, ReceiptKind.BOUNCED, 1)]


@st.composite
def tellings(draw: st.DrawFn) -> tuple[list[Receipt], list[list[Receipt]]]:
    """A set of receipts; and the same in another order, some of them again, in batches."""
    receipts = draw(
        st.lists(RECEIPTS, min_size=1, max_size=12, unique_by=lambda each: (each.event_id, each.kind))
    )
    told = draw(st.permutations(receipts + draw(st.lists(st.sampled_from(receipts), max_size=6))))
    ends = sorted(draw(st.sets(st.integers(1, len(told)))) | {len(told)})
    return receipts, [told[start:end] for start, end in zip([0, *ends], ends, strict=False)]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(telling=tellings())
@example(telling=(BOUNCED_TWICE, [[each] for each in reversed(BOUNCED_TWICE)]))
def test_every_order_and_repetition_ends_in_the_same_state(
    base: Base, telling: tuple[list[Receipt], list[list[Receipt]]]
) -> None:
    receipts, batches = telling
    assert base.end(batches) == base.end([receipts])


def test_every_attempt_s_every_fate_leaves_nobody_told_twice(base: Base) -> None:
    """Whatever is told: a row that waits to be sent has no attempt that got through or may have."""
    for kind in KINDS:
        for each in ATTEMPTS:
            base.restore()
            base.take([receipt(*each, kind, 1)])
            waiting = base.register.rows(
                "SELECT schedule.status, array_agg(outcome ORDER BY attempt_number)"
                " FROM notification_schedule AS schedule JOIN notification_outbox USING (idempotency_key)"
                " WHERE schedule.status IN ('PENDING', 'LATE_PENDING') GROUP BY idempotency_key, schedule.status"
            )
            assert not [
                outcomes for _, outcomes in waiting if {"ACCEPTED", "UNKNOWN", None} & set(outcomes)
            ], (kind, each)


def test_two_of_the_same_batch_at_once_count_once(base: Base) -> None:
    batch = [receipt(*each, ReceiptKind.BOUNCED, 1) for each in ATTEMPTS]
    expected = base.end([batch])
    base.restore()
    before = base.register.rows("SELECT max(seq) FROM audit_log")[0][0]

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(base.take, [batch, batch[::-1], batch, batch[::-1]]))

    assert base.look() == expected
    assert base.register.rows(
        "SELECT max(count) FROM (SELECT count(*) FROM audit_log WHERE seq > :before"
        " GROUP BY subject, from_status, to_status) AS repeated",
        before=before,
    ) == [(1,)]


def test_overlapping_ones_at_once_do_not_stand_in_each_other_s_way(base: Base) -> None:
    kinds = [ReceiptKind.DELIVERED, ReceiptKind.BOUNCED, ReceiptKind.COMPLAINED, ReceiptKind.OTHER]
    batches = [
        [receipt(*each, kind, minute) for each in ATTEMPTS][:: 1 if minute % 2 else -1]
        for minute in range(4)
        for kind in kinds
    ]
    expected = base.end(batches)
    base.restore()

    with ThreadPoolExecutor(5) as pool:
        list(pool.map(base.take, batches))

    assert base.look() == expected


def test_it_goes_on_in_a_late_window_only_while_that_is_of_use(base: Base) -> None:
    """Bounced after its window, or beyond the lookback."""
    bounced = [receipt(0, 0, ReceiptKind.BOUNCED, 1)]
    for now, status in (
        (OPENS + timedelta(hours=5), "LATE_PENDING"),
        (OPENS + timedelta(days=15), "BOUNCED"),
    ):
        base.restore()
        take_receipts(base.register.database.engine, bounced, now=now, late_since=now - timedelta(days=14))
        assert row_of(base, 0) == (status, 2 if status == "LATE_PENDING" else 1)


def row_of(base: Base, place: int) -> tuple[Any, ...]:
    return base.register.rows(
        "SELECT status, channel_position FROM notification_schedule WHERE idempotency_key = :key",
        key=base.keys[place],
    )[0]
