"""Everything that was, is and will be told about a person's dates, or about one licence, from one query."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, text

from nolapse.domain.errors import NolapseError
from nolapse.storage.statements import statement

MOST_LABELS = 8
HOLDERS = text("""
SELECT license_id, clinician_id, concat_ws(', ', slug, license_type, state) AS label
FROM licenses
JOIN tenants USING (tenant_id)
WHERE license_number = :number
  AND (CAST(:tenant AS text) IS NULL OR slug = CAST(:tenant AS text))
  AND (CAST(:license_type AS text) IS NULL OR license_type = CAST(:license_type AS text))
ORDER BY label
""")
PEOPLE = text("""
SELECT clinician_id, slug AS label
FROM clinicians
JOIN tenants USING (tenant_id)
WHERE (CAST(clinician_id AS text) = :person OR external_id = :person)
  AND (CAST(:tenant AS text) IS NULL OR slug = CAST(:tenant AS text))
ORDER BY label
""")


class NobodyFound(NolapseError):
    """No licence or person goes by this name."""

    def __init__(self, wanted: str) -> None:
        super().__init__(f"nothing found under {wanted!r}")
        self.wanted = wanted


class Ambiguous(NolapseError):
    """Several licences or people go by this name: the tenant or the licence's type decides."""

    def __init__(self, wanted: str, labels: Sequence[str]) -> None:
        shown = "; ".join(labels[:MOST_LABELS]) + ("; …" if len(labels) > MOST_LABELS else "")
        super().__init__(
            f"{len(labels)} are found under {wanted!r} ({shown}): say which with --tenant SLUG or --type TYPE"
        )
        self.wanted = wanted


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose dates are asked for; `license_id` narrows them to one licence."""

    clinician_id: UUID
    license_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """`outcome` is None while it is in flight."""

    at: datetime
    number: int
    channel: str
    provider: str
    outcome: str | None
    code: str | None


@dataclass(frozen=True, slots=True)
class Transition:
    at: datetime
    actor: str
    before: str
    after: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class Entry:
    """One notification. `status` is a state of the schedule's or, where it is called for and not stored,
    BEYOND_HORIZON or NOT_PLANNED. `license` is None for a person's own date; `zone` is the recipient's.
    """

    key: str
    recipient: str
    zone: str
    occasion: str
    occurrence: str
    occasion_date: date
    event: str
    license: str | None
    channels: Sequence[str]
    opens: datetime
    closes: datetime
    status: str
    late: bool
    reason: str | None
    attempts: Sequence[Attempt]
    transitions: Sequence[Transition]


def find_license(
    connection: Connection, number: str, *, tenant: str | None = None, license_type: str | None = None
) -> Subject:
    """`tenant` is a slug. Raises NobodyFound, Ambiguous."""
    rows = connection.execute(
        HOLDERS, {"number": number, "tenant": tenant, "license_type": license_type}
    ).all()
    row = _only(rows, number)
    return Subject(row.clinician_id, row.license_id)


def find_person(connection: Connection, person: str, *, tenant: str | None = None) -> Subject:
    """By id, or by what the tenant's own systems call them. Raises NobodyFound, Ambiguous."""
    rows = connection.execute(PEOPLE, {"person": person, "tenant": tenant}).all()
    return Subject(_only(rows, person).clinician_id)


def timeline(
    connection: Connection, subject: Subject, *, now: datetime, stored_until: datetime, until: datetime
) -> list[Entry]:
    """In order of time, up to windows that open before `until`; rows are stored up to `stored_until`."""
    rows = connection.execute(
        statement("timeline"),
        {
            "horizon": until,
            "stored_until": stored_until,
            # Of a date that comes every year what is over is shown where it is stored, and not computed again.
            "late_since": now - timedelta(days=1),
            "drafts": [],
            "tenant_id": None,
            "clinician_ids": [subject.clinician_id],
            "license_id": subject.license_id,
        },
    )
    return [_entry(row) for row in rows]


def _only(rows: Sequence[Row[Any]], wanted: str) -> Row[Any]:
    if not rows:
        raise NobodyFound(wanted)
    if len(rows) > 1:
        raise Ambiguous(wanted, [row.label for row in rows])
    return rows[0]


def _entry(row: Row[Any]) -> Entry:
    return Entry(
        key=bytes(row.idempotency_key).hex(),
        recipient=row.recipient,
        zone=row.zone,
        occasion=row.occasion,
        occurrence=row.occurrence,
        occasion_date=row.occasion_date,
        event=row.event,
        license=_license(row),
        channels=row.channels,
        opens=row.scheduled_at,
        closes=row.window_end,
        status=row.status,
        late=row.late,
        reason=row.reason,
        attempts=[
            Attempt(
                datetime.fromisoformat(each["at"]), each["number"], each["channel"], each["provider"],
                each["outcome"], each["code"],
            )
            for each in row.attempts
        ],
        transitions=[
            Transition(
                datetime.fromisoformat(each["at"]), each["actor"], each["from"], each["to"], each["reason"]
            )
            for each in row.transitions
        ],
    )  # fmt: skip


def _license(row: Row[Any]) -> str | None:
    if row.license_number is None:
        return None
    return " ".join(part for part in (row.license_type, row.state, row.license_number) if part)
