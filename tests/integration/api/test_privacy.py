"""A person handed out and forgotten: every personal column of every table, by canaries planted in each."""

import csv
import io
import json
import zipfile
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from nolapse.api.identity import Role
from nolapse.domain.recurrence import Recurrence
from nolapse.oversight.audit import verify_audit
from nolapse.planning.medications import Prescription
from nolapse.storage.personal import tables
from tests.integration.api.conftest import Answer, Api
from tests.integration.conftest import NOW, Register
from tests.integration.delivery.test_nothing_kept import TABLES
from tests.integration.test_reconcile_full import night

# By table and column, as JSON shows it; one for every column that is declared as erased.
CANARIES = {
    ("clinicians", "external_id"): "canary-0042",
    ("clinicians", "full_name"): "Canary Nightingale",
    ("clinicians", "email"): "canary@clinic.test",
    ("clinicians", "phone"): "+12125550142",
    ("clinicians", "whatsapp"): "+12125550143",
    ("clinicians", "timezone"): "Pacific/Chatham",
    ("clinicians", "supervisor_id"): "11111111-2222-7333-8444-555555555555",
    ("licenses", "license_number"): "CANARY-7654321",
    ("licenses", "register_status"): "canary under probation",
    ("person_dates", "on_date"): "1981-03-07",
    ("medications", "label"): "canary tablets",
    ("medications", "rrule"): "FREQ=DAILY;BYHOUR=8,21",
    ("medications", "exdates"): "2031-03-03T08:00:00",
    ("medications", "starts_at"): "2026-09-01T08:17:00",
    ("notification_outbox", "recipient"): "former-canary@clinic.test",
    ("notification_outbox", "body_sha256"): "63616e617279" + 26 * "00",
}
# Where these stand for themselves, and say nothing about anybody.
ELSEWHERE = {
    "Pacific/Chatham": {"zone", "zone_offset"},
    "11111111-2222-7333-8444-555555555555": {"clinicians"},
}


@pytest.fixture
def admin(api: Api, tenant: UUID) -> str:
    return api.token(tenant, Role.ADMIN)


@pytest.fixture
def canary(api: Api, tenant: UUID, admin: str) -> UUID:
    """A person with a canary in every column that says who they are, made by the API as far as it goes."""
    supervisor = CANARIES["clinicians", "supervisor_id"]
    api.register.execute(
        "INSERT INTO clinicians (clinician_id, tenant_id, external_id, full_name)"
        " VALUES (CAST(:supervisor AS uuid), :tenant, 'boss', 'Boss')",
        supervisor=supervisor,
        tenant=tenant,
    )
    person = {
        name: CANARIES["clinicians", name]
        for name in ("external_id", "full_name", "email", "phone", "timezone", "supervisor_id")
    }
    made = api.call("POST", "/v1/users", admin, person | {"birthday": "1981-03-07"}, idempotency_key="k1")
    assert made.status == 201, made.body
    clinician = UUID(made.body["user_id"])
    licence = {
        "clinician_id": str(clinician),
        "license_type": "RN",
        "license_number": CANARIES["licenses", "license_number"],
        "expires_on": "2026-12-31",
    }
    assert api.call("POST", "/v1/licenses", admin, licence, idempotency_key="k2").status == 201
    rule = f"DTSTART;TZID=America/New_York:20260901T081700\nRRULE:{CANARIES['medications', 'rrule']}"
    api.register.prescribe(
        clinician, Prescription(CANARIES["medications", "label"], Recurrence.read(rule)), api.clock.now()
    )
    for change in (
        "UPDATE clinicians SET whatsapp = '+12125550143' WHERE clinician_id = :clinician",
        "UPDATE licenses SET register_status = 'canary under probation' WHERE clinician_id = :clinician",
        "UPDATE medications SET exdates = '{2031-03-03T08:00}' WHERE clinician_id = :clinician",
        (
            "INSERT INTO suppressions (tenant_id, address_sha256, channel, reason, since, updated_at) SELECT tenant_id,"
            " address_digest(email), 'EMAIL', 'UNSUBSCRIBED', now(), now() FROM clinicians"
            " WHERE clinician_id = :clinician"
        ),
        (
            "INSERT INTO notification_outbox (idempotency_key, tenant_id, attempt_number, scheduled_at, started_at,"
            " lease_until, channel, provider, recipient, template, body_sha256) SELECT idempotency_key, tenant_id, 1,"
            " scheduled_at, scheduled_at, window_end, 'EMAIL', 'sendgrid', 'former-canary@clinic.test', template,"
            " decode(rpad('63616e617279', 64, '0'), 'hex') FROM notification_schedule"
            " WHERE clinician_id = :clinician AND event = 'PRIMARY'"
        ),
    ):
        api.register.execute(change, clinician=clinician)
    with api.register.database.owner.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO acknowledgements (tenant_id, clinician_id, license_id, idempotency_key, scheduled_at, at,"
            " occurrence, answer, via) SELECT tenant_id, clinician_id, license_id, idempotency_key, scheduled_at,"
            " scheduled_at, occurrence, 'IN_PROGRESS', 'LINK' FROM notification_schedule WHERE event = 'PRIMARY'"
        )
        connection.exec_driver_sql("REFRESH MATERIALIZED VIEW license_renewal_view")
    return clinician


def export(api: Api, token: str, clinician: UUID) -> dict[str, list[dict[str, Any]]]:
    answer = api.call("GET", f"/v1/clinicians/{clinician}/export", token)
    assert (answer.status, answer.headers["content-type"]) == (200, "application/zip"), answer.body
    with zipfile.ZipFile(io.BytesIO(answer.body)) as archive:
        whole = json.loads(archive.read("person.json"))
        sheets = {name: list(csv.reader(archive.read(name).decode().splitlines())) for name in archive.namelist()
                  if name.endswith(".csv")}  # fmt: skip
    exported: dict[str, list[dict[str, Any]]] = whole["tables"]
    for name, rows in exported.items():
        if rows:
            assert len(sheets[f"{name}.csv"]) == len(rows) + 1
            assert sheets[f"{name}.csv"][0] == list(rows[0])
    return exported


def erase(api: Api, token: str, clinician: UUID, confirm: str = "canary-0042", **headers: str) -> Answer:
    return api.call("POST", f"/v1/clinicians/{clinician}/erase", token, {"confirm": confirm}, **headers)


def found(register: Register) -> dict[str, list[str]]:
    """By canary, the tables that hold it anywhere in a row where it stands for a person."""
    left: dict[str, list[str]] = {}
    with register.database.owner.connect() as connection:
        for table in connection.scalars(TABLES).all():
            # Each row written down once, however many canaries are looked for.
            lines = f'SELECT CAST(to_jsonb(kept) AS text) FROM "{table}" AS kept OFFSET 0'  # noqa: S608
            canaries = connection.scalars(
                text(
                    f"SELECT DISTINCT canary FROM ({lines}) AS written (line),"  # noqa: S608
                    " unnest(CAST(:canaries AS text[])) AS canary WHERE strpos(line, canary) > 0"
                ),
                {"canaries": list(CANARIES.values())},
            )
            for canary in canaries:
                if table not in ELSEWHERE.get(canary, ()):
                    left.setdefault(canary, []).append(table)
    return left


def test_every_column_of_every_table_is_declared(register: Register) -> None:
    catalog = register.rows(
        "SELECT relname, attname FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid"
        " WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'm') AND NOT relispartition"
        " AND attnum > 0 AND NOT attisdropped"
    )
    declared = [(table.name, column) for table in tables() for column in table.columns]
    assert sorted(declared) == sorted((table, column) for table, column in catalog), (
        "see storage/personal.toml"
    )


def test_every_column_that_is_erased_has_a_canary() -> None:
    assert {(table.name, column) for table in tables() for column in table.erased} == CANARIES.keys()


def test_an_export_holds_every_personal_column(api: Api, admin: str, canary: UUID) -> None:
    exported = export(api, admin, canary)

    for table in tables():
        if table.rows and not table.copy:
            assert exported[table.name], f"nothing was planted in {table.name}"
            assert set(exported[table.name][0]) == set(table.columns)
    for (table_name, column), value in CANARIES.items():
        assert any(value in json.dumps(row[column]) for row in exported[table_name]), (table_name, column)


def test_an_export_holds_nobody_else(api: Api, tenant: UUID, admin: str, canary: UUID) -> None:
    other = api.register.clinician(tenant, "grace", email="grace@clinic.test")
    api.register.license(tenant, other, date(2027, 1, 31), number="OTHER-1")

    exported = json.dumps(export(api, admin, canary))

    assert "grace@clinic.test" not in exported
    assert "OTHER-1" not in exported
    assert str(canary) not in json.dumps(export(api, admin, other))


def test_an_export_is_audited_though_it_reads(api: Api, admin: str, canary: UUID) -> None:
    export(api, admin, canary)
    assert api.register.rows("SELECT action, subject FROM audit_log ORDER BY seq DESC LIMIT 1") == [
        ("person.exported", f"clinician:{canary}")
    ]


def test_an_erasure_leaves_no_canary_anywhere(api: Api, tenant: UUID, admin: str, canary: UUID) -> None:
    other = api.register.clinician(tenant, "grace", email="grace@clinic.test")
    others = api.register.rows("SELECT * FROM clinicians WHERE clinician_id = :other", other=other)
    assert set(found(api.register)) == set(CANARIES.values())
    api.call("PATCH", f"/v1/clinicians/{canary}", admin, {"full_name": "Canary N."}, if_match="*")

    answer = erase(api, admin, canary)

    assert answer.status == 200, answer.body
    with api.register.database.owner.begin() as connection:
        connection.exec_driver_sql("REFRESH MATERIALIZED VIEW license_renewal_view")
    assert found(api.register) == {}
    assert api.register.rows("SELECT * FROM clinicians WHERE clinician_id = :other", other=other) == others
    assert api.register.rows("SELECT supervisor_id FROM clinicians WHERE clinician_id = :it", it=canary) == [
        (None,)
    ]


def test_an_erasure_cancels_what_waits_and_keeps_what_happened(api: Api, admin: str, canary: UUID) -> None:
    attempts = api.register.rows("SELECT attempt_id FROM notification_outbox")

    answer = erase(api, admin, canary)

    assert len(answer.body["rescheduled"]["cancelled"]) > 1
    waiting = "SELECT status FROM notification_schedule WHERE send_by IS NOT NULL"
    assert api.register.rows(waiting) == []
    assert api.register.rows("SELECT attempt_id FROM notification_outbox") == attempts
    assert api.call("GET", f"/v1/clinicians/{canary}", admin).status == 404
    with api.register.database.engine.connect() as connection:
        assert verify_audit(connection).holds


def test_an_erasure_again_is_the_same_answer_and_no_other_work(api: Api, admin: str, canary: UUID) -> None:
    first = erase(api, admin, canary)
    before = api.register.rows("SELECT count(*) FROM audit_log")

    again = erase(api, admin, canary)

    assert (again.status, again.body["erased_at"]) == (200, first.body["erased_at"])
    assert again.body["rescheduled"] == {"moved": [], "created": [], "restored": [], "cancelled": []}
    assert api.register.rows("SELECT count(*) FROM audit_log") == before


def test_its_own_kept_answer_survives_and_tells_nothing(api: Api, admin: str, canary: UUID) -> None:
    first = erase(api, admin, canary, idempotency_key="k3")
    assert erase(api, admin, canary, idempotency_key="k3").body == first.body
    assert found(api.register) == {}


def test_one_who_was_deleted_can_be_exported_and_erased(api: Api, admin: str, canary: UUID) -> None:
    assert api.call("DELETE", f"/v1/clinicians/{canary}", admin, if_match="*").status == 200
    assert export(api, admin, canary)["clinicians"][0]["full_name"] == "Canary Nightingale"
    assert erase(api, admin, canary).status == 200
    assert found(api.register) == {}


def test_a_confirmation_must_name_the_person(api: Api, admin: str, canary: UUID) -> None:
    answer = erase(api, admin, canary, confirm="somebody else")
    assert (answer.status, answer.body["fields"][0]["field"]) == (422, "confirm")
    assert found(api.register)


def test_one_who_was_erased_does_not_come_back(api: Api, admin: str, canary: UUID) -> None:
    erase(api, admin, canary)
    person = {"external_id": f"erased-{canary}", "full_name": "Somebody", "email": "some@clinic.test"}

    answer = api.call("POST", "/v1/clinicians", admin, person)

    assert (answer.status, answer.body["fields"][0]["field"]) == (409, "external_id")


def move(register: Register, *statuses: str) -> None:
    for status in statuses:
        register.execute(
            "UPDATE notification_schedule SET status = CAST(:status AS text), claimed_at = scheduled_at, reason = 'x'"
            " WHERE event = 'SECONDARY'",
            status=status,
        )


@pytest.mark.parametrize("way", [("QUEUED", "SENDING"), ("QUEUED", "SENDING", "UNKNOWN")])
def test_what_is_under_way_must_be_over_first(
    api: Api, admin: str, canary: UUID, way: tuple[str, ...]
) -> None:
    move(api.register, *way)
    answer = erase(api, admin, canary)
    assert (answer.status, answer.body["code"]) == (409, "CONFLICT")
    assert found(api.register)


@pytest.mark.parametrize(
    ("way", "ends"),
    [
        (("QUEUED",), "SUPPRESSED"),
        (("QUEUED", "SENDING", "UNKNOWN", "HELD"), "CANCELLED"),
        (("QUEUED", "DEFERRED"), "CANCELLED"),
    ],
)
def test_what_has_not_left_yet_does_not(
    api: Api, admin: str, canary: UUID, way: tuple[str, ...], ends: str
) -> None:
    move(api.register, *way)
    assert erase(api, admin, canary).status == 200
    assert api.register.rows(
        "SELECT status, reason FROM notification_schedule WHERE event = 'SECONDARY'"
    ) == [(ends, "person erased")]


def test_when_somebody_was_told_of_their_dates_is_not_kept(
    api: Api, tenant: UUID, admin: str, canary: UUID
) -> None:
    """The birthday that a row was planned for, the minute of a dose: whoever was told, and however it went."""
    register = api.register
    other = register.clinician(tenant, "grace", email="grace@clinic.test")
    rule = Recurrence.read("DTSTART;TZID=America/New_York:20261001T080000\nRRULE:FREQ=DAILY")
    register.prescribe(canary, Prescription("tablets", rule, caregiver_id=other))
    register.prescribe(other, Prescription("others", rule, caregiver_id=canary))
    register.execute(
        "INSERT INTO person_dates (tenant_id, clinician_id, kind, on_date) VALUES (:tenant, :other, 'BIRTHDAY', :day)",
        tenant=tenant, other=other, day=date(1980, 2, 4),
    )  # fmt: skip
    register.plan()
    register.execute(
        "INSERT INTO notification_outbox (idempotency_key, tenant_id, attempt_number, scheduled_at, started_at,"
        " lease_until, channel, provider, recipient, template) SELECT idempotency_key, tenant_id, 2,"
        " scheduled_at, scheduled_at, window_end, 'EMAIL', 'sendgrid', 'somebody@clinic.test', template"
        " FROM notification_schedule"
    )
    register.execute(
        "INSERT INTO schedule_shadow (policy_id, policy_version, side, tenant_id, clinician_id, subject_id, occurrence,"
        " event, template, channels, zone, scheduled_at, window_end) SELECT policy_id, policy_version, 'ACTIVE',"
        " tenant_id, clinician_id, subject_id, occurrence, event, template, channels, 'UTC', scheduled_at, window_end"
        " FROM notification_schedule"
    )
    for status in ("QUEUED", "SENDING", "SENT"):
        register.execute(
            "UPDATE notification_schedule SET status = :status, claimed_at = scheduled_at WHERE occasion = 'BIRTHDAY'",
            status=status,
        )
    register.execute(
        "UPDATE notification_outbox AS attempt SET finished_at = started_at,"
        " outcome = CASE occasion WHEN 'BIRTHDAY' THEN 'ACCEPTED' ELSE 'REJECTED' END,"
        " provider_message_id = CASE occasion WHEN 'BIRTHDAY' THEN 'm-1' END"
        " FROM notification_schedule WHERE notification_schedule.idempotency_key = attempt.idempotency_key"
    )
    theirs = """
SELECT DISTINCT coalesce(licenses.clinician_id, person_dates.clinician_id, medications.clinician_id), occasion
FROM notification_schedule LEFT JOIN licenses USING (license_id) LEFT JOIN person_dates USING (person_date_id)
  LEFT JOIN medications USING (medication_id)"""
    tried = f"{theirs} JOIN notification_outbox USING (idempotency_key)"
    everything = {
        (canary, "LICENSE_EXPIRY"),
        *((who, what) for who in (canary, other) for what in ("BIRTHDAY", "DOSE")),
    }
    assert set(register.rows(theirs)) == set(register.rows(tried)) == everything
    night(register, NOW)

    answer = erase(api, admin, canary)

    left = {(canary, "LICENSE_EXPIRY"), (other, "BIRTHDAY"), (other, "DOSE")}
    assert set(register.rows(theirs)) == set(register.rows(tried)) == left
    shadows = "SELECT count(*) FROM schedule_shadow WHERE clinician_id = :canary OR subject_id = ANY (ARRAY("
    dates = "SELECT person_date_id FROM person_dates WHERE clinician_id = :canary))"
    assert register.rows(shadows + dates, canary=canary) == [(0,)]
    assert {each["occasion"] for each in answer.body["rescheduled"]["cancelled"]} == {
        "LICENSE_EXPIRY",
        "DOSE",
    }
    assert {each["subject_id"] for each in answer.body["rescheduled"]["cancelled"]}.isdisjoint(
        str(medication)
        for (medication,) in register.rows(
            "SELECT medication_id FROM medications WHERE clinician_id = :canary", canary=canary
        )
    )
    listed = api.call("GET", f"/v1/notifications?clinician_id={canary}", admin).body["items"]
    assert "BIRTHDAY" not in {each["occasion"] for each in listed}
    with register.database.engine.connect() as connection:
        assert verify_audit(connection).holds
    report = night(register, NOW + timedelta(hours=1))
    assert (report.drift, report.findings) == (0, ())
