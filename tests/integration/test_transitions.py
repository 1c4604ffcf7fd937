"""The state machine: code, database and documentation say the same, and the database lets nothing else happen."""

import re
from collections.abc import Iterator
from itertools import permutations
from pathlib import Path

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import DatabaseError

from nolapse.domain.states import TRANSITIONS, Status
from nolapse.storage.engine import transaction
from tests.integration.conftest import NOW, Register

PAGE = (Path(__file__).parents[2] / "docs" / "state-machine.md").read_text(encoding="utf-8")
LEGAL = {(before, after) for before, afters in TRANSITIONS.items() for after in afters}
PAIRS = list(permutations(Status, 2))
EXPLAINED = {Status.CANCELLED, Status.SUPPRESSED, Status.HELD, Status.DEFERRED}

# Everything that any state asks of a row, taken from the state.
BECOME = """
  status = CAST(:status AS text),
  late = CAST(:status AS text) = 'LATE_PENDING',
  next_attempt_at = CASE WHEN :status IN ('PENDING', 'LATE_PENDING') THEN scheduled_at END,
  send_by = CASE WHEN :status NOT IN ('CANCELLED', 'SUPPRESSED') THEN window_end END,
  claimed_at = CASE WHEN :status IN ('QUEUED', 'SENDING', 'UNKNOWN', 'SENT') THEN CAST(:now AS timestamptz) END,
  reason = CASE WHEN :status IN ('CANCELLED', 'SUPPRESSED', 'HELD', 'DEFERRED') THEN 'because' END,
  updated_at = :now
"""


def become(connection: Connection, status: Status, where: str = "true") -> None:
    connection.execute(
        text(f"UPDATE notification_schedule SET {BECOME} WHERE {where}"),  # noqa: S608
        {"status": status.value, "now": NOW},
    )


@pytest.fixture
def planned(register: Register) -> Register:
    """One licence with its three reminders ahead."""
    tenant = register.tenant()
    register.license(tenant, register.clinician(tenant), NOW.date().replace(year=2027))
    register.plan()
    return register


def put(register: Register, status: Status) -> None:
    """Rows in `status` without a way there: as the owner, with the trigger off."""
    with register.database.owner.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        become(connection, status)


def audited(connection: Connection) -> list[tuple[object, ...]]:
    """As the transaction of `connection` sees it."""
    rows = connection.execute(
        text(
            "SELECT from_status, to_status, actor, reason FROM audit_log"
            " WHERE action = 'notification.transition' ORDER BY seq"
        )
    )
    return [tuple(row) for row in rows]


def diagram() -> Iterator[tuple[str, str]]:
    (block,) = re.findall(r"```mermaid\nstateDiagram-v2\n(.*?)```", PAGE, re.DOTALL)
    for line in block.splitlines():
        before, after = line.strip().split(" --> ")
        if "[*]" not in {before, after}:
            yield before, after


def table(heading: str) -> list[list[str]]:
    """The cells of the rows of a section's table."""
    section = PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows]


def test_the_diagram_draws_every_transition_once() -> None:
    assert sorted(diagram()) == sorted(LEGAL)


def test_the_page_explains_every_transition_once() -> None:
    rows = table("The transitions")
    assert sorted((before.strip("`"), after.strip("`")) for before, after, *_ in rows) == sorted(LEGAL)
    assert all(cells for row in rows for cells in row)


def test_the_page_explains_every_state_once_and_says_which_are_final() -> None:
    explained = {name.strip("`"): moved_by for name, _, moved_by in table("The states")}
    assert explained.keys() == set(Status) == TRANSITIONS.keys()
    final = {name for name, moved_by in explained.items() if moved_by.startswith("final")}
    assert final == {status for status, afters in TRANSITIONS.items() if not afters}


def test_the_database_knows_exactly_these_transitions(register: Register) -> None:
    assert set(register.rows("SELECT from_status, to_status FROM notification_transition")) == LEGAL


def test_nobody_who_serves_requests_can_legalise_a_transition(register: Register) -> None:
    for engine in (register.database.engine, register.database.api):
        with pytest.raises(DatabaseError, match="permission denied"), engine.begin() as connection:
            connection.execute(text("INSERT INTO notification_transition VALUES ('SENT', 'PENDING')"))


def test_the_trigger_audits_legal_transitions_and_refuses_all_others(planned: Register) -> None:
    for before, after in PAIRS:
        put(planned, before)
        if (before, after) in LEGAL:
            with planned.database.engine.connect() as connection:
                become(connection, after)
                reason = "because" if after in EXPLAINED else None
                assert audited(connection) == [(before, after, "nolapse_engine", reason)] * 3
        else:
            with (
                planned.database.engine.connect() as connection,
                pytest.raises(DatabaseError, match=f"cannot go from {before} to {after}'"),
            ):
                become(connection, after)


def test_one_illegal_row_refuses_the_whole_statement(planned: Register) -> None:
    with planned.database.engine.begin() as connection:
        become(connection, Status.CANCELLED, "event = 'PAST_DUE'")
    with (
        pytest.raises(DatabaseError, match="from CANCELLED to QUEUED"),
        planned.database.engine.begin() as connection,
    ):
        become(connection, Status.QUEUED)
    assert planned.statuses() == {"PRIMARY": "PENDING", "SECONDARY": "PENDING", "PAST_DUE": "CANCELLED"}


def test_a_transition_and_its_audit_share_their_fate(planned: Register) -> None:
    with planned.database.engine.connect() as connection:
        become(connection, Status.QUEUED)
        assert len(audited(connection)) == 3
        connection.rollback()
        assert audited(connection) == []


def test_the_audit_names_the_row_its_tenant_its_time_and_who_did_it(planned: Register) -> None:
    with transaction(planned.database.engine, "scan") as connection:
        become(connection, Status.QUEUED, "event = 'PRIMARY'")
    assert planned.rows("""
        SELECT at = updated_at, audit_log.tenant_id = schedule.tenant_id, actor
        FROM audit_log JOIN notification_schedule AS schedule
          ON subject = 'notification:' || encode(idempotency_key, 'hex')""") == [
        (True, True, "scan")
    ]  # fmt: skip


def test_a_change_that_is_no_transition_is_not_audited(planned: Register) -> None:
    with planned.database.engine.begin() as connection:
        connection.execute(
            text("UPDATE notification_schedule SET next_attempt_at = next_attempt_at + interval '1 minute'")
        )
        assert audited(connection) == []
