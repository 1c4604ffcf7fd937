"""The timeline: one query tells what was, is and will be told about a licence or a person, and why."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from rich.console import Console

from cli.timeline import timeline_table
from nolapse.planning.timeline import Ambiguous, Entry, NobodyFound, find_license, find_person, timeline
from tests.integration.conftest import NOW, Register

STORED_UNTIL = NOW + timedelta(days=395)
UNTIL = NOW + timedelta(days=3 * 365)
LATER = datetime(2027, 1, 25, tzinfo=UTC)


def of_license(register: Register, number: str = "RN-1234567", now: datetime = NOW) -> list[Entry]:
    with register.database.engine.connect() as connection:
        subject = find_license(connection, number)
        return timeline(connection, subject, now=now, stored_until=STORED_UNTIL, until=UNTIL)


def of_person(register: Register, person: str) -> list[Entry]:
    with register.database.engine.connect() as connection:
        subject = find_person(connection, person)
        return timeline(connection, subject, now=NOW, stored_until=STORED_UNTIL, until=UNTIL)


def told(entries: list[Entry]) -> list[tuple[str, str]]:
    return [(entry.event, entry.status) for entry in entries]


def holder(register: Register, name: str = "ada") -> tuple[UUID, UUID]:
    tenant = register.tenant()
    return tenant, register.clinician(tenant, name)


def send(register: Register, event: str, at: datetime) -> None:
    for status in ("QUEUED", "SENDING", "SENT"):
        register.execute(
            "UPDATE notification_schedule SET status = :status, claimed_at = :at, updated_at = :at, attempt_count = 1"
            " WHERE event = :event",
            status=status,
            at=at,
            event=event,
        )
    register.execute(
        """INSERT INTO notification_outbox (idempotency_key, tenant_id, attempt_number, scheduled_at, started_at,
             lease_until, finished_at, channel, provider, recipient, template, outcome, provider_message_id)
           SELECT idempotency_key, tenant_id, 1, scheduled_at, :at, CAST(:at AS timestamptz) + interval '2 minutes',
             :at, 'EMAIL', 'sendgrid', 'ada@clinic.test', template, 'ACCEPTED', 'm'
           FROM notification_schedule WHERE event = :event""",
        at=at,
        event=event,
    )


def test_a_licence_tells_what_was_sent_what_waits_and_what_was_dropped(register: Register) -> None:
    tenant, ada = holder(register)
    register.license(tenant, ada, date(2026, 11, 15))
    register.plan()
    send(register, "PAST_DUE", NOW)

    primary, secondary, past_due = of_license(register)

    assert told([primary, secondary, past_due]) == [
        ("PRIMARY", "SUPPRESSED"),
        ("SECONDARY", "LATE_PENDING"),
        ("PAST_DUE", "SENT"),
    ]
    assert (primary.reason, secondary.late) == ("window closed before the lookback", True)
    assert [(each.provider, each.outcome) for each in past_due.attempts] == [("sendgrid", "ACCEPTED")]
    assert [(each.before, each.after, each.actor) for each in past_due.transitions] == [
        ("PENDING", "QUEUED", "nolapse_engine"),
        ("QUEUED", "SENDING", "nolapse_engine"),
        ("SENDING", "SENT", "nolapse_engine"),
    ]
    assert (past_due.license, past_due.recipient) == ("RN NY RN-1234567", "ada")


def test_what_lies_beyond_the_horizon_is_computed(register: Register) -> None:
    tenant, ada = holder(register)
    register.license(tenant, ada, date(2028, 2, 1))
    register.plan()

    entries = of_license(register)

    assert told(entries) == [
        ("PRIMARY", "PENDING"),
        ("SECONDARY", "BEYOND_HORIZON"),
        ("PAST_DUE", "BEYOND_HORIZON"),
    ]
    assert register.rows("SELECT count(*) FROM notification_schedule") == [(1,)]


def test_what_planning_has_not_seen_yet_says_so(register: Register) -> None:
    tenant, ada = holder(register)
    register.license(tenant, ada, date(2027, 6, 30))

    assert set(told(of_license(register))) == {
        ("PRIMARY", "NOT_PLANNED"),
        ("SECONDARY", "NOT_PLANNED"),
        ("PAST_DUE", "NOT_PLANNED"),
    }


def test_a_moved_date_shows_both_and_why(register: Register) -> None:
    tenant, ada = holder(register)
    register.license(tenant, ada, date(2027, 6, 30))
    register.plan()
    register.execute("UPDATE licenses SET expires_on = '2027-09-30'")
    register.plan()

    entries = of_license(register)

    assert [entry.status for entry in entries].count("CANCELLED") == 3
    assert {entry.reason for entry in entries if entry.status == "CANCELLED"} == {"date moved"}
    assert [entry.opens for entry in entries] == sorted(entry.opens for entry in entries)


def test_what_was_sent_before_a_zone_changed_is_not_shown_as_still_to_come(register: Register) -> None:
    tenant, ada = holder(register)
    register.license(tenant, ada, date(2027, 1, 20))
    register.plan()
    send(register, "PRIMARY", NOW)
    register.execute("UPDATE clinicians SET timezone = 'America/Los_Angeles'")
    register.plan()

    living = [entry for entry in of_license(register) if entry.status != "CANCELLED"]

    assert told(living) == [("PRIMARY", "SENT"), ("SECONDARY", "PENDING"), ("PAST_DUE", "PENDING")]


def test_a_person_s_timeline_holds_all_of_their_dates_and_nobody_else_s(register: Register) -> None:
    tenant, ada = holder(register)
    grace = register.clinician(tenant, "grace")
    for number, clinician in enumerate((ada, ada, grace)):
        register.license(tenant, clinician, date(2027, 6, 30), number=f"N-{number}")
        register.execute(
            "INSERT INTO person_dates (tenant_id, clinician_id, kind, on_date)"
            " VALUES (:tenant, :clinician, 'BIRTHDAY', '1980-03-15') ON CONFLICT DO NOTHING",
            tenant=tenant,
            clinician=clinician,
        )
    register.plan()

    by_name, by_id = of_person(register, "ada"), of_person(register, str(ada))

    assert by_name == by_id
    assert {entry.recipient for entry in by_name} == {"ada"}
    birthdays = [entry for entry in by_name if entry.event == "BIRTHDAY"]
    assert [(entry.occurrence, entry.status) for entry in birthdays] == [
        ("2027", "PENDING"),
        ("2028", "BEYOND_HORIZON"),
        ("2029", "BEYOND_HORIZON"),
    ]
    assert len(by_name) == 6 + len(birthdays)


def test_a_date_that_is_over_is_not_called_missing(register: Register) -> None:
    tenant, ada = holder(register)
    register.license(tenant, ada, date(2027, 1, 20))
    register.plan()
    send(register, "PRIMARY", NOW)

    assert ("PRIMARY", "SENT") in told(of_license(register, now=LATER))


def test_an_unknown_or_ambiguous_name_is_refused(register: Register) -> None:
    east, west = register.tenant("east"), register.tenant("west")
    for tenant in (east, west):
        register.license(tenant, register.clinician(tenant), date(2027, 6, 30))
    with register.database.engine.connect() as connection:
        with pytest.raises(NobodyFound, match="'RN-0'"):
            find_license(connection, "RN-0")
        with pytest.raises(Ambiguous, match=r"2 are found .* \(east, RN, NY; west, RN, NY\)"):
            find_license(connection, "RN-1234567")
        with pytest.raises(NobodyFound):
            find_license(connection, "RN-1234567", tenant="west", license_type="MD")
        with pytest.raises(Ambiguous):
            find_person(connection, "ada")
        assert find_license(connection, "RN-1234567", tenant="west") != find_license(
            connection, "RN-1234567", tenant="east"
        )


def test_the_table_reads_in_local_time(register: Register) -> None:
    tenant, ada = holder(register)
    register.license(tenant, ada, date(2027, 6, 30))
    register.plan()
    send(register, "PRIMARY", NOW)
    console = Console(width=200, record=True)

    with console.capture() as capture:
        console.print(timeline_table(of_license(register), NOW, history=True))

    text = capture.get()
    assert "Thu 01 Apr 2027 08:00-12:00" in text
    assert "sendgrid, try 1: accepted" in text
    assert "nolapse_engine: pending to queued" in text
