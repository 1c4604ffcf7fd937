"""The hot statements walk the indexes that their comments name, on a base with months of history."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, text

from local.postgres import Postgres
from nolapse.storage.statements import statement
from tests.conftest import Database, cloned
from tests.integration.conftest import RETENTION, Register

PLANNED_AT = datetime(2026, 1, 5, tzinfo=UTC)
NOW = datetime(2026, 10, 26, 14, 30, tzinfo=UTC)
TENANTS, LICENSES = 20, 8_000

LOOKBACK = timedelta(days=14)
KEYS = [bytes(32)] * 10
TIMES = [NOW - timedelta(hours=number) for number in range(10)]
ATTEMPT_IDS = ["00000000-0000-7000-8000-000000000000"] * 10
MONTHS = {"earliest": min(TIMES), "latest": max(TIMES)}
VERDICTS = {
    **MONTHS,
    "attempt_ids": ATTEMPT_IDS,
    "outcomes": ["ACCEPTED"] * 10,
    "codes": [None] * 10,
    "message_ids": ["m"] * 10,
    "statuses": ["SENT"] * 10,
    "reasons": [None] * 10,
    "next_attempts": [None] * 10,
    "handles": [None] * 10,
    "positions": [1] * 10,
    "retries": [0] * 10,
    "asked": 0,
}
PARAMETERS: dict[str, dict[str, Any]] = {
    "claim_due": {"limit": 600},
    "suppress_needless": {},
    "peek_queued": {"keys": KEYS, **MONTHS, "answer_by": NOW + timedelta(seconds=15)},
    "begin_attempts": {
        "keys": KEYS, "times": TIMES, **MONTHS, "answer_by": NOW + timedelta(seconds=15),
        "lease_until": NOW + timedelta(minutes=2), "numbers": [1] * 10, "positions": [1] * 10,
        "channels": ["EMAIL"] * 10, "providers": ["sendgrid"] * 10, "senders": ["a@b.test"] * 10,
        "recipients": ["c@d.test"] * 10, "hashes": KEYS,
    },
    "put_off": {
        "keys": KEYS, "times": TIMES, "positions": [1] * 10, "untils": TIMES, "reasons": [None] * 10,
        "notes": [None] * 10,
    },
    "cancel_ended": {"keys": KEYS, "times": TIMES},
    "record_verdicts": VERDICTS,
    "mark_late": {"late_since": NOW - LOOKBACK},
    "return_stale": {"stale_before": NOW - timedelta(minutes=15)},
    "expire_leases": {},
    "unknown_attempts": {"settled_before": NOW - timedelta(minutes=5), "limit": 500},
    "late_candidates": {"per_tenant": 1000},
    "take_receipts": {
        "providers": ["sendgrid"] * 10, "event_ids": ["e"] * 10, "kinds": ["DELIVERED"] * 10,
        "attempt_ids": ATTEMPT_IDS, "message_ids": ["m"] * 10, "codes": [None] * 10,
        "suppresses": [None] * 10, "times": TIMES,
    },
    "waiting_receipts": {"limit": 5000},
    "forget_receipts": {"waited_since": NOW - timedelta(days=2), "kept_since": NOW - timedelta(days=30)},
    "lock_receipted": {"attempts": ATTEMPT_IDS},
    "apply_receipts": {
        "receipts": ATTEMPT_IDS, "addresses": ["+12125550123"], "channels": ["SMS"], "stops": [True],
        "times": TIMES[:1],
    },
    "move_receipted": {"attempts": ATTEMPT_IDS},
    "go_on_after_bounce": {"attempts": ATTEMPT_IDS, "late_since": NOW - LOOKBACK},
    "space_anew": {"attempts": ATTEMPT_IDS},
    "attempts_of": {"keys": KEYS},
    "preview": {"keys": KEYS[:1], "times": TIMES[:1]},
    "report_lateness": {"tenant_id": ATTEMPT_IDS[0], "since": NOW - timedelta(days=7), "until": NOW},
    "report_deliveries": {"tenant_id": ATTEMPT_IDS[0], "since": NOW - timedelta(days=7), "until": NOW},
    "person_ids": {"clinician_id": ATTEMPT_IDS[0]},
    "drop_claimed": {"keys": KEYS[:1]},
    "lock_told": {"keys": KEYS[:1]},
    "find_unsubscribable": {"key": bytes(32), "scheduled_at": NOW, "issued_at": NOW},
    "rescheduled": {"keys": KEYS, "times": TIMES, **MONTHS},
    "forget_old": RETENTION.until(NOW),
}  # fmt: skip
TO_SEND, CLAIMED, KEY = (f"notification_schedule_{name}" for name in ("to_send", "claimed", "pkey"))
ATTEMPTS = "notification_outbox_idempotency_key_attempt_number_key"
CONDITIONAL = "notification_schedule_conditional"
UNSETTLED = "notification_outbox_unsettled"
ATTEMPT = "notification_outbox_pkey"
BY_TIME = "notification_schedule_by_time"
WALKED = {
    "claim_due": {TO_SEND, KEY},
    "suppress_needless": {CONDITIONAL, KEY, "notification_schedule_by_medication"},
    "peek_queued": {KEY, ATTEMPTS},
    "begin_attempts": {KEY, ATTEMPTS},
    "put_off": {KEY},
    "cancel_ended": {KEY},
    "record_verdicts": {KEY, "notification_outbox_pkey"},
    "mark_late": {TO_SEND},
    "return_stale": {CLAIMED, KEY},
    "expire_leases": {KEY, UNSETTLED},
    "unknown_attempts": {KEY, UNSETTLED},
    "late_candidates": {TO_SEND, "notification_schedule_by_clinician", ATTEMPTS},
    "take_receipts": {ATTEMPT},
    "waiting_receipts": {ATTEMPT},
    "forget_receipts": set(),
    "lock_receipted": {KEY, ATTEMPT},
    "apply_receipts": {KEY, ATTEMPT},
    "move_receipted": {KEY, ATTEMPT},
    "go_on_after_bounce": {KEY, ATTEMPT, ATTEMPTS},
    "space_anew": {KEY, ATTEMPT, "notification_schedule_by_clinician"},
    "attempts_of": {ATTEMPTS},
    "preview": {KEY},
    "report_lateness": {BY_TIME, ATTEMPTS},
    "report_deliveries": {BY_TIME, ATTEMPTS},
    "person_ids": {
        f"notification_schedule_by_{whose}" for whose in ("clinician", "license", "person_date", "medication")
    },
    "drop_claimed": {KEY},
    "lock_told": {KEY, ATTEMPTS},
    "find_unsubscribable": {KEY, ATTEMPTS},
    "rescheduled": {KEY},
    "forget_old": {"notification_outbox_by_tenant"},  # tenant by tenant; of many tenants, by its start
}
THIS_MONTH = f"notification_schedule_{NOW:%Y_%m}"


@pytest.fixture(scope="module")
def base(postgres: Postgres) -> Iterator[Database]:
    """Shared: EXPLAIN changes nothing."""
    with cloned(postgres) as made:
        make_history(Register(made))
        yield made


def make_history(register: Register) -> None:
    """Ten months of a base at work: what was due has left, a little is in flight, late or unsettled."""
    register.execute(
        "INSERT INTO tenants (slug, name, timezone, contact_email) SELECT 'clinic-' || n, 'clinic',"
        " (ARRAY['America/New_York', 'America/Chicago', 'America/Los_Angeles'])[1 + mod(n, 3)], 'desk@clinic.test'"
        " FROM generate_series(1, :tenants) AS n",
        tenants=TENANTS,
    )
    register.execute(
        "INSERT INTO clinicians (tenant_id, external_id, full_name, email) SELECT tenant_id, n, 'Ada',"
        " 'ada@clinic.test' FROM tenants, generate_series(1, :each) AS n",
        each=LICENSES // TENANTS,
    )
    register.execute(
        "INSERT INTO licenses (tenant_id, clinician_id, license_type, license_number, expires_on)"
        " SELECT tenant_id, clinician_id, 'RN', external_id,"
        " DATE '2026-01-10' + mod(CAST(external_id AS integer) * 37, 480) FROM clinicians"
    )
    register.plan(PLANNED_AT)
    with register.database.owner.begin() as connection:
        # History without its transitions: as the owner, with the trigger off.
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        for change in HISTORY.split(";"):
            connection.execute(text(change), {"now": NOW})
        connection.execute(text("ANALYZE"))


HISTORY = """
UPDATE notification_schedule SET status = 'SENT', claimed_at = scheduled_at, reason = NULL, attempt_count = 1,
  next_attempt_at = scheduled_at, send_by = window_end WHERE window_end < :now;
INSERT INTO notification_outbox (idempotency_key, tenant_id, attempt_number, scheduled_at, started_at, lease_until,
  finished_at, channel, provider, recipient, template, outcome, provider_message_id)
SELECT idempotency_key, tenant_id, 1, scheduled_at, scheduled_at, scheduled_at + interval '2 minutes', scheduled_at,
  'EMAIL', 'sendgrid', 'ada@clinic.test', template, 'ACCEPTED', 'm' FROM notification_schedule WHERE status = 'SENT';
UPDATE notification_outbox SET outcome = 'UNKNOWN', provider_message_id = NULL
WHERE attempt_id IN (SELECT attempt_id FROM notification_outbox ORDER BY scheduled_at DESC LIMIT 20);
UPDATE notification_schedule SET status = 'UNKNOWN' FROM notification_outbox AS attempt
WHERE outcome = 'UNKNOWN' AND notification_schedule.idempotency_key = attempt.idempotency_key;
UPDATE notification_schedule SET status = 'LATE_PENDING', late = true, next_attempt_at = 'infinity',
  send_by = 'infinity', claimed_at = NULL
WHERE status = 'SENT' AND scheduled_at > CAST(:now AS timestamptz) - interval '1 day';
UPDATE notification_schedule SET status = 'QUEUED', claimed_at = :now
WHERE status = 'PENDING' AND scheduled_at < CAST(:now AS timestamptz) - interval '2 hours'
"""


def plan_nodes(base: Database, name: str) -> list[dict[str, Any]]:
    with base.engine.connect() as connection:
        answer = connection.scalar(
            text(f"EXPLAIN (FORMAT JSON) {statement(name).text}"), {"now": NOW, **PARAMETERS[name]}
        )
    return list(below(answer[0]["Plan"]))


def below(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", []):
        yield from below(child)


def tables(nodes: list[dict[str, Any]], kind: str = "") -> set[str]:
    """The parts of the schedule and the outbox that nodes of `kind` (a part of its name) read."""
    read = {node["Relation Name"] for node in nodes if "Relation Name" in node and kind in node["Node Type"]}
    return {name for name in read if name.startswith("notification")}


def filled(base: Database) -> set[str]:
    """What holds rows: an empty partition costs nothing, however it is read."""
    with base.engine.connect() as connection:
        return set(
            connection.scalars(
                text(
                    "SELECT DISTINCT CAST(tableoid::regclass AS text) FROM notification_schedule"
                    " UNION ALL SELECT 'notification_outbox'"
                )
            )
        )


def indexes(base: Database, nodes: list[dict[str, Any]]) -> set[str]:
    """The indexes that are walked, as the migrations call them: a partition's own go by their parent's name."""
    with base.engine.connect() as connection:
        parents: dict[str, str] = dict(
            connection.execute(
                text(
                    "SELECT CAST(inhrelid::regclass AS text), CAST(inhparent::regclass AS text)"
                    " FROM pg_inherits JOIN pg_index ON indexrelid = inhrelid"
                )
            ).all()
        )
    used = {node["Index Name"] for node in nodes if "Index Name" in node}
    return {parents.get(index, index) for index in used if index.startswith("notification")}


@pytest.mark.parametrize("name", PARAMETERS)
def test_history_is_never_read_from_end_to_end(base: Database, name: str) -> None:
    # Of the month that runs, what is to send may be most of it.
    allowed = {THIS_MONTH} if name == "mark_late" else set()
    assert tables(plan_nodes(base, name), "Seq Scan") & filled(base) <= allowed


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_statement_walks_the_indexes_that_it_was_written_for(base: Database, name: str) -> None:
    # In the month that runs a tenant's rows by time are hardly more than those that wait: either index will do.
    allowed = {BY_TIME} if name == "claim_due" else set()
    assert indexes(base, plan_nodes(base, name)) - (allowed - WALKED[name]) == WALKED[name]


@pytest.mark.parametrize(
    "name", ["claim_due", "mark_late", "return_stale", "expire_leases", "late_candidates"]
)
def test_months_ahead_are_not_even_looked_at(base: Database, name: str) -> None:
    read = tables(plan_nodes(base, name))
    assert THIS_MONTH in read
    assert not {table for table in read if table.startswith("notification_schedule_2") and table > THIS_MONTH}


def test_what_is_due_is_claimed_wholly_and_only_once(base: Database) -> None:
    with base.engine.connect() as connection:
        claim = statement("claim_due")
        due = connection.scalar(
            text(
                "SELECT count(*) FROM notification_schedule WHERE status IN ('PENDING', 'LATE_PENDING')"
                " AND next_attempt_at <= :now AND send_by > :now"
            ),
            {"now": NOW},
        )
        first, rest, none = (
            connection.execute(claim, {"now": NOW, "limit": limit}).all() for limit in (5, 600, 600)
        )
        connection.rollback()
    assert (len(first), len(first) + len(rest), len(none)) == (5, due, 0)
    assert len({row.tenant_id for row in first}) == 5


@pytest.mark.parametrize(
    ("last_run", "finished"),
    [
        (None, False),
        (NOW - timedelta(days=9), True),  # it came before the claim
        (NOW - timedelta(days=5), False),  # it came after, and failed
    ],
)
def test_what_got_stuck_is_returned_however_long_catch_up_was_away(
    base: Database, last_run: datetime | None, finished: bool
) -> None:
    with base.engine.connect() as connection:
        connection.execute(
            text("UPDATE notification_schedule SET claimed_at = :then WHERE status = 'QUEUED'"),
            {"then": NOW - timedelta(days=8)},
        )
        if last_run:
            connection.execute(
                text(
                    "INSERT INTO scheduler_heartbeat (function, started_at, finished_at)"
                    " VALUES ('catch_up', :at, CASE WHEN CAST(:finished AS boolean) THEN now() END)"
                ),
                {"at": last_run, "finished": finished},
            )
        returned = connection.execute(statement("return_stale"), {"now": NOW, **PARAMETERS["return_stale"]})
        assert returned.rowcount > 0
        assert (
            connection.scalar(text("SELECT count(*) FROM notification_schedule WHERE status = 'QUEUED'")) == 0
        )
        connection.rollback()


# Of what the API writes: parameters beside the tenant's and the people's ids, and the indexes that are walked.
# An upsert of many into a small tenant reads that tenant's rows, by whichever index has them together.
WRITES: dict[str, tuple[dict[str, Any], set[str]]] = {
    "affected_holders": ({}, {"clinicians_by_supervisor", "medications_by_caregiver"}),
    "holdings": ({}, {"clinicians_pkey", "licenses_by_clinician", "medications_by_clinician"}),
    "upsert_clinicians": (
        {"items": json.dumps([{"external_id": str(n), "role": "CLINICIAN", "full_name": "Ada"} for n in range(9)])},
        set(),
    ),
    "upsert_licenses": (
        {"items": json.dumps([{"license_number": str(n), "license_type": "RN"} for n in range(9)])},
        set(),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRITES)
def test_what_the_api_writes_finds_by_index_whom_it_concerns(base: Database, name: str) -> None:
    own, walked = WRITES[name]
    with base.owner.connect() as connection:
        fill_registers(connection)
        tenant_id, clinician_id = connection.execute(
            text("SELECT tenant_id, clinician_id FROM clinicians LIMIT 1")
        ).one()
        asked = {
            "now": NOW,
            "tenant_id": tenant_id,
            "people": [clinician_id],
            "clinician_ids": [clinician_id],
            **own,
        }
        answer = connection.scalar(text(f"EXPLAIN (FORMAT JSON) {statement(name).text}"), asked)
        connection.rollback()
    nodes = list(below(answer[0]["Plan"]))
    assert not [node["Relation Name"] for node in nodes if node["Node Type"] == "Seq Scan"]
    used = {node["Index Name"] for node in nodes if "Index Name" in node}
    assert used >= walked


def fill_registers(connection: Connection) -> None:
    """Where there is nothing, any plan will do."""
    connection.execute(
        text(
            "INSERT INTO medications (tenant_id, clinician_id, label, starts_at, timezone, rrule, effective_from,"
            " status) SELECT tenant_id, clinician_id, 'tablets', '2026-01-01', 'UTC', 'FREQ=DAILY', now(), 'STOPPED'"
            " FROM clinicians"
        )
    )
    connection.execute(
        text(
            "INSERT INTO person_dates (tenant_id, clinician_id, kind, on_date)"
            " SELECT tenant_id, clinician_id, 'BIRTHDAY', DATE '1980-03-01' FROM clinicians"
        )
    )
    connection.execute(text("ANALYZE medications, person_dates"))


def test_what_a_batch_s_tenants_send_by_is_read_of_these_alone(base: Database) -> None:
    with base.owner.connect() as connection:
        connection.execute(
            text(
                "INSERT INTO tenants (slug, name, timezone, contact_email)"
                " SELECT 'many-' || n, 'clinic', 'UTC', 'desk@clinic.test' FROM generate_series(1, 2000) AS n"
            )
        )
        connection.execute(
            text(
                "INSERT INTO senders (tenant_id, provider, address, created_at, updated_at)"
                " SELECT tenant_id, 'graph', n || '@clinic.test', now(), now() FROM tenants, generate_series(1, 5) AS n"
            )
        )
        connection.execute(text("ANALYZE tenants, senders"))
        tenants = list(connection.scalars(text("SELECT tenant_id FROM tenants LIMIT 10")))
        answer = connection.scalar(
            text(f"EXPLAIN (FORMAT JSON) {statement('sending').text}"), {"tenants": tenants}
        )
        connection.rollback()
    nodes = list(below(answer[0]["Plan"]))
    assert not [node["Relation Name"] for node in nodes if node["Node Type"] == "Seq Scan"]
    assert {node["Index Name"] for node in nodes if "Index Name" in node} == {
        "tenants_pkey",
        "senders_in_use",
    }


def test_what_became_of_messages_is_counted_by_their_keys(base: Database) -> None:
    bounds = {"delivery_bounds": [1.0], "lateness_bounds": [0.0]}
    scans = text(
        "SELECT coalesce(sum(seq_scan), 0) FROM pg_stat_xact_user_tables"
        " WHERE relname LIKE 'notification_outbox%' OR relname LIKE 'notification_schedule%'"
    )
    with base.owner.connect() as connection:
        moved = connection.execute(
            text(
                "UPDATE notification_schedule SET status = 'SENT', updated_at = :now WHERE idempotency_key IN"
                " (SELECT idempotency_key FROM notification_schedule WHERE status = 'UNKNOWN' LIMIT 5)"
            ),
            {"now": NOW},
        ).rowcount
        before = connection.scalar(scans)
        connection.execute(statement("fold_messages"), {"most": 1_000, **bounds})
        after = connection.scalar(scans)
        counted = connection.scalar(
            text("SELECT sum(buckets[1]) FROM metric_total WHERE metric = 'messages_sent'")
        )
        connection.rollback()
    assert (counted, after) == (moved, before)


@pytest.mark.parametrize("order", ["risk_score DESC", "expires_on"])
def test_renewals_are_read_of_one_tenant_and_all_at_once(base: Database, order: str) -> None:
    with base.owner.connect() as connection:
        connection.execute(text("REFRESH MATERIALIZED VIEW license_renewal_view"))
        connection.execute(text("ANALYZE license_renewal_view"))
        connection.execute(
            text("SELECT set_config('app.tenant_id', CAST(tenant_id AS text), true) FROM tenants LIMIT 1")
        )
        page = f"SELECT * FROM renewals_on('2026-10-26') ORDER BY {order}, license_id DESC LIMIT 51"  # noqa: S608
        answer = connection.scalar(text(f"EXPLAIN (ANALYZE, FORMAT JSON) {page}"))
        connection.rollback()
    reads = [node for node in below(answer[0]["Plan"]) if "Relation Name" in node]
    assert {node["Relation Name"] for node in reads} == {"licenses", "clinicians", "license_renewal_view"}
    assert not [node["Relation Name"] for node in reads if node["Node Type"] == "Seq Scan"]
    assert {(node["Actual Loops"], node["Actual Rows"]) for node in reads} == {(1, LICENSES // TENANTS)}


def test_one_persons_edit_reads_that_person_alone(base: Database) -> None:
    with base.engine.connect() as connection:
        clinician_id = connection.scalar(text("SELECT clinician_id FROM clinicians LIMIT 1"))
        held = connection.execute(statement("holdings"), {"clinician_ids": [clinician_id]}).mappings().one()
        answer = connection.scalar(
            text(f"EXPLAIN (FORMAT JSON) {statement('plan_holders').text}"),
            {
                "now": NOW, "horizon": NOW + timedelta(days=400), "late_since": NOW - LOOKBACK, "promised": NOW,
                "tenant_id": None, "clinician_ids": [clinician_id], "drafts": [], **held,
            },
        )  # fmt: skip
    scanned = {node["Relation Name"] for node in below(answer[0]["Plan"]) if node["Node Type"] == "Seq Scan"}
    assert not scanned & ({"clinicians", "licenses"} | filled(base))
