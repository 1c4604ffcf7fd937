"""Imports against a real database: what they add, move and leave alone, and that no row is lost."""

import csv
import gzip
import json
import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from nolapse.planning.importing.errors import TenantNotNamed, UnknownTenant
from nolapse.planning.importing.load import Replan, import_records
from nolapse.planning.importing.progress import OnProgress, Progress, Stage, silent
from nolapse.planning.importing.rejects import COLUMNS
from nolapse.planning.importing.report import ImportReport, Merged
from nolapse.planning.importing.survey import survey
from nolapse.planning.importing.zones import ZoneSource
from nolapse.planning.plan import bounds, plan
from nolapse.storage.statements import statement
from tests.integration.conftest import NOW, Register
from tests.integration.waiting import wait_for

HEADER = "license_number,license_type,state,expiration_date,status,person_id,full_name,email\n"
Import = Callable[..., ImportReport]


@pytest.fixture
def imports(register: Register, tmp_path: Path) -> Import:
    """Import a register's text for tenant `clinic`, planning as the product does."""
    limits = bounds(NOW, horizon_months=13, lookback_days=14)

    def replan_for_real(connection: Connection, tenant_id: UUID | None) -> None:
        plan(connection, limits, tenant_id=tenant_id)

    def run(
        content: str | bytes,
        *,
        tenant: str | None = "clinic",
        now: datetime = NOW,
        replan: Replan = replan_for_real,
        on_progress: OnProgress = silent,
    ) -> ImportReport:
        path = tmp_path / "register"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return import_records(
            register.database.engine,
            survey(path),
            tenant=tenant,
            rejects=tmp_path / "rejects.csv",
            now=now,
            actor="test",
            replan=replan,
            on_progress=on_progress,
        )

    return run


def licenses(register: Register, columns: str = "license_number, expires_on") -> list[tuple[Any, ...]]:
    joined = "FROM licenses JOIN clinicians USING (clinician_id) ORDER BY license_number"
    return register.rows(f"SELECT {columns} {joined}")


def rejected(report: ImportReport) -> list[dict[str, str]]:
    with report.rejects.open(newline="") as file:
        reader = csv.DictReader(file)
        rows = list(reader)
    assert tuple(reader.fieldnames or ()) == COLUMNS
    return rows


def test_a_register_becomes_licences_people_and_reminders(register: Register, imports: Import) -> None:
    clinic = register.tenant()
    told: list[Progress] = []

    report = imports(
        "license_number,license_type,state,expiration_date,status,person_id,full_name,email,phone,whatsapp,zip\n"
        "A1,RN,Texas,2027-01-31,Active,P1,Ada Berg,ada@x.test,212-555-0134,+1 212 555 0135,79901\n"
        "A2,MD,TX,2027-02-28,Surrendered,P1,Ada Berg,,,,\n"
        "A3,RN,,OPEN,,P2,,nonsense,,yes,\n"
        ",RN,,2027-01-31,,P3,,,,,\n"
        "A5,RN,,soon,,=P4,,,,,\n",
        on_progress=told.append,
    )

    assert (report.licenses, report.people, report.folded) == (Merged(3, 0, 0), Merged(2, 0, 0), 0)
    assert (report.rows.read, report.rows.rejected, report.imported) == (5, 2, 3)
    assert report.replanned == (clinic,)
    assert report.rows.undated == {"OPEN": 1}
    assert report.rows.zones == {ZoneSource.ZIP: 1, ZoneSource.SPLIT_STATE: 1, ZoneSource.TENANT: 1}
    assert licenses(
        register, "license_number, state, expires_on, licenses.status, register_status, external_id"
    ) == [
        ("A1", "TX", date(2027, 1, 31), "ACTIVE", "Active", "P1"),
        ("A2", "TX", date(2027, 2, 28), "ENDED", "Surrendered", "P1"),
        ("A3", None, None, "ACTIVE", None, "P2"),
    ]
    # of one person's rows the one furthest down is right, unless it says nothing
    assert register.rows(
        "SELECT external_id, full_name, email, phone, whatsapp, timezone FROM clinicians ORDER BY 1"
    ) == [
        ("P1", "Ada Berg", "ada@x.test", "+12125550134", "+12125550135", "America/Chicago"),
        ("P2", "RN A3", None, None, None, None),
    ]
    assert rejected(report) == [
        {
            "row_number": "4",
            "outcome": "imported, but",
            "field": "email",
            "value": "nonsense",
            "reason": "is not one e-mail address: imported without it",
        },
        {
            "row_number": "4",
            "outcome": "imported, but",
            "field": "whatsapp",
            "value": "yes",
            "reason": "is not one phone number: imported without it",
        },
        {
            "row_number": "5",
            "outcome": "rejected",
            "field": "license_number",
            "value": "",
            "reason": "is blank: a licence needs its number",
        },
        {
            "row_number": "6",
            "outcome": "rejected",
            "field": "expires_on",
            "value": "soon",
            "reason": "is not a date in any known form: write it as YYYY-MM-DD",
        },
    ]
    assert register.rows(
        "SELECT DISTINCT license_number FROM notification_schedule JOIN licenses USING (license_id)"
    ) == [("A1",)]
    assert [progress.stage for progress in told] == [Stage.LOADING, Stage.MERGING]


ROW_VERSIONS = (
    "SELECT license_id, xmin, updated_at FROM licenses"
    " UNION SELECT clinician_id, xmin, updated_at FROM clinicians"
)


def test_importing_again_changes_nothing(register: Register, imports: Import) -> None:
    register.tenant()
    content = HEADER + "A1,RN,TX,2027-01-31,Active,P1,Ada,ada@x.test\nA2,RN,TX,,Active,,Bo,\nA3,,,OPEN,,,,\n"
    imports(content)
    before = register.rows(ROW_VERSIONS)

    def replan(_connection: Connection, _tenant: UUID | None) -> None:
        pytest.fail("nothing moved")

    report = imports(content, now=NOW + timedelta(days=1), replan=replan)

    assert (report.licenses, report.people, report.replanned) == (Merged(0, 0, 3), Merged(0, 0, 3), ())
    assert before == register.rows(ROW_VERSIONS)


def test_importing_again_moves_what_moved(register: Register, imports: Import) -> None:
    register.tenant()
    imports(
        HEADER + "A1,RN,TX,2027-01-31,Active,P1,Ada,\nA2,RN,TX,2027-01-31,Active,P2,Bo,\n"
        "A3,RN,TX,2027-01-31,,P3,Cy,\n"
    )

    report = imports(
        HEADER + "A1,RN,TX,2027-06-30,Active,P1,Ada,\nA2,RN,TX,2027-01-31,Deceased,P2,Bo,\n"
        "A3,RN,TX,2027-01-31,,P3,Cy,\n"
    )

    assert (report.licenses, report.people) == (Merged(0, 2, 1), Merged(0, 0, 3))
    pending = register.rows(
        "SELECT DISTINCT license_number, occasion_date"
        " FROM notification_schedule JOIN licenses USING (license_id)"
        " WHERE notification_schedule.status = 'PENDING' ORDER BY license_number"
    )
    assert pending == [("A1", date(2027, 6, 30)), ("A3", date(2027, 1, 31))]


def test_a_blank_erases_nothing_and_a_perpetual_licence_ends_its_reminders(
    register: Register, imports: Import
) -> None:
    register.tenant()
    full = "{},RN,TX,2027-01-31,Surrendered,P{},Ada,ada@x.test\n"
    imports(HEADER + full.format("A1", 1) + full.format("A2", 2))

    report = imports(HEADER + "A1,RN,TX,N/A,,P1,,\nA2,RN,TX,PERPETUAL,Active,P2,,\n")

    assert licenses(
        register, "license_number, expires_on, licenses.status, register_status, full_name, email"
    ) == [
        ("A1", date(2027, 1, 31), "ENDED", "Surrendered", "Ada", "ada@x.test"),
        ("A2", None, "ACTIVE", "Active", "Ada", "ada@x.test"),
    ]
    assert report.licenses == Merged(0, 1, 1)


@pytest.mark.parametrize(
    ("expiries", "kept"),
    [
        (("2026-05-31", "2027-05-31", "2025-05-31"), 1),
        (("2027-05-31", "2027-05-31"), 1),
        (("2027-05-31", "", "null"), 0),
        (("OPEN", "2027-05-31"), 0),
        (("", "null"), 1),
    ],
)
def test_rows_of_one_licence_fold_into_the_latest(
    register: Register, imports: Import, expiries: tuple[str, ...], kept: int
) -> None:
    register.tenant()

    report = imports(HEADER + "".join(f"A1,RN,TX,{text},row {n},,,\n" for n, text in enumerate(expiries)))

    assert licenses(register, "register_status") == [(f"row {kept}",)]
    assert report.folded == len(expiries) - 1
    assert rejected(report) == [
        {
            "row_number": str(n + 2),
            "outcome": "folded",
            "field": "",
            "value": "",
            "reason": f"the same licence as row {kept + 2}, which is later",
        }
        for n in range(len(expiries))
        if n != kept
    ]


def test_thousands_of_untidy_rows_agree_with_a_plain_fold(register: Register, imports: Import) -> None:
    register.tenant()
    dice = random.Random(20)
    days = [(date(2020, 1, 1) + timedelta(days=number)).isoformat() for number in range(3000)]
    rows = [
        (
            f"A{dice.randrange(900)}",
            dice.choice(("RN", "MD")),
            dice.choice(("", "TX", "CA")),
            dice.choice(("", "OPEN", "soon", *dice.choices(days, k=9))),
        )
        for _ in range(12_000)
    ]

    report = imports(
        HEADER + "".join(f"{number},{kind},{state},{expiry},,,,\n" for number, kind, state, expiry in rows)
    )

    rank = {"": "0", "OPEN": "9"}
    latest: dict[tuple[str, str, str], str] = {}
    for number, kind, state, expiry in rows:
        known = latest.get((number, kind, state), "")
        if expiry != "soon" and rank.get(expiry, expiry) >= rank.get(known, known):
            latest[number, kind, state] = expiry
    expected = {key: None if text in rank else date.fromisoformat(text) for key, text in latest.items()}
    found = register.rows(
        "SELECT license_number, license_type, coalesce(state, ''), expires_on FROM licenses"
    )
    assert {(number, kind, state): expiry for number, kind, state, expiry in found} == expected
    unreadable = sum(row[3] == "soon" for row in rows)
    assert (report.rows.rejected, report.folded) == (unreadable, len(rows) - unreadable - len(expected))
    assert len(rejected(report)) == report.rows.rejected + report.folded


def test_layouts_make_no_difference(register: Register, imports: Import) -> None:
    register.tenant()
    rows = [
        {"license_number": f"A{n}", "expires": f"2027-01-{n + 1:02}", "full_name": f"Zoë {n}"}
        for n in range(9)
    ]
    table = "\n".join("\t".join(row.values()) for row in [dict(zip(rows[0], rows[0], strict=True)), *rows])
    layouts = [
        json.dumps(rows).encode(),
        "\n".join(map(json.dumps, rows)).encode(),
        gzip.compress(table.encode()),
        table.encode("cp1252"),
    ]

    assert [imports(layout).licenses for layout in layouts] == [Merged(9, 0, 0), *[Merged(0, 0, 9)] * 3]


def test_a_new_address_or_a_new_name_is_no_new_person(register: Register, imports: Import) -> None:
    register.tenant()
    imports(HEADER + "A1,RN,TX,2027-01-31,,,Ada Berg,ada@x.test\nA2,RN,TX,2027-01-31,,,Bo Day,\n")
    before = licenses(register, "license_number, clinician_id")

    moved = imports(
        HEADER + "A1,RN,TX,2027-01-31,,,Ada Berg,ada@new.test\nA2,RN,TX,2027-01-31,,,Bo Day,bo@x.test\n"
    )
    married = imports(HEADER + "A1,RN,TX,2027-01-31,,,Ada Caro,ada@new.test\n")

    assert (moved.people, married.people) == (Merged(0, 2, 0), Merged(0, 1, 0))
    assert licenses(register, "license_number, clinician_id") == before
    assert licenses(register, "full_name, email") == [("Ada Caro", "ada@new.test"), ("Bo Day", "bo@x.test")]


def test_a_licence_that_changes_hands_leaves_its_old_holder_alone(
    register: Register, imports: Import
) -> None:
    register.tenant()
    ada = "{},RN,TX,2027-01-31,,,Ada Berg,ada@x.test\n"
    imports(HEADER + ada.format("A1") + ada.format("A2"))

    report = imports(HEADER + ada.format("A1") + "A2,RN,TX,2027-01-31,,,Bo Day,bo@x.test\n")

    assert licenses(register, "license_number, email") == [("A1", "ada@x.test"), ("A2", "bo@x.test")]
    assert (report.people, report.licenses) == (Merged(1, 0, 1), Merged(0, 1, 1))
    waiting = "SELECT DISTINCT email FROM notification_schedule JOIN clinicians USING (clinician_id)"
    whose = " JOIN licenses USING (license_id) WHERE license_number = 'A2'"
    whose += " AND notification_schedule.status = 'PENDING'"
    assert register.rows(waiting + whose) == [("bo@x.test",)]


def delete(register: Register, *, licenses: str = "", people: str = "") -> None:
    """As the API deletes what goes by these numbers, and who goes by these external ids."""
    ended = "SELECT license_id FROM licenses WHERE license_number = ANY (string_to_array(:named, '|'))"
    left = "SELECT clinician_id FROM clinicians WHERE external_id = ANY (string_to_array(:named, '|'))"
    for (license_id,) in register.rows(ended, named=licenses):
        register.execute(statement("delete_license").text, license_id=license_id, now=NOW)
    for (clinician_id,) in register.rows(left, named=people):
        register.execute(statement("delete_clinician").text, clinician_id=clinician_id, now=NOW)
    register.plan()


WAITING = (
    "SELECT DISTINCT license_number FROM notification_schedule JOIN licenses USING (license_id)"
    " WHERE notification_schedule.status = 'PENDING' ORDER BY 1"
)


@pytest.mark.parametrize("status", ["", "Active"])
def test_what_a_register_lists_comes_back_where_it_was_deleted(
    register: Register, imports: Import, status: str
) -> None:
    register.tenant()
    row = "{},RN,TX,2027-01-31,{},{},Ada,ada@x.test\n"
    content = HEADER + "".join(
        row.format(number, status, who) for number, who in (("A1", "P1"), ("A2", "P2"), ("A3", "P3"))
    )
    imports(content)
    delete(register, licenses="A1|A2", people="P2")
    assert register.rows(WAITING) == [("A3",)]

    report = imports(content, now=NOW + timedelta(days=1))

    assert (report.licenses, report.people) == (Merged(0, 2, 1), Merged(0, 1, 2))
    assert licenses(
        register,
        "license_number, licenses.status, licenses.deleted_at, clinicians.status, clinicians.deleted_at",
    ) == [(number, "ACTIVE", None, "ACTIVE", None) for number in ("A1", "A2", "A3")]
    assert register.rows(WAITING) == [("A1",), ("A2",), ("A3",)]


def test_a_licence_that_comes_back_is_not_over_by_what_an_older_register_said(
    register: Register, imports: Import
) -> None:
    register.tenant()
    imports(HEADER + "A1,RN,TX,2027-01-31,Surrendered,P1,Ada,\n")
    delete(register, licenses="A1")

    imports(HEADER + "A1,RN,TX,,,P1,Ada,\n")

    found = licenses(register, "license_number, licenses.status, register_status, expires_on")
    assert found == [("A1", "ACTIVE", None, date(2027, 1, 31))]


def test_what_a_register_says_has_ended_stays_deleted_and_fails_nothing(
    register: Register, imports: Import
) -> None:
    register.tenant()
    row = "{},RN,TX,2027-01-31,{},{},{},\n"
    imports(HEADER + "".join(row.format(f"A{n}", "Active", f"P{n}", "Ada") for n in range(1, 5)))
    delete(register, licenses="A1|A2", people="P1|P3")

    report = imports(
        HEADER + row.format("A1", "Retired", "P1", "Ada B")  # deleted, and its holder too
        + row.format("A2", "Revoked", "P2", "Ada")  # deleted alone
        + row.format("A3", "Deceased", "P3", "Ada")  # its holder alone
        + row.format("A4", "Surrendered", "P4", "Ada")
        + row.format("A5", "Active", "P4", "Ada")
    )  # fmt: skip

    assert (report.licenses, report.people) == (Merged(1, 2, 2), Merged(0, 0, 4))
    assert licenses(
        register,
        "license_number, licenses.status, licenses.deleted_at IS NULL, clinicians.deleted_at IS NULL",
    ) == [
        ("A1", "ENDED", False, False),
        ("A2", "ENDED", False, True),
        ("A3", "ENDED", True, False),
        ("A4", "ENDED", True, True),
        ("A5", "ACTIVE", True, True),
    ]


@pytest.mark.parametrize(
    ("deleted", "listed", "kept"),
    [("P1", ["P1"], True), ("P1|P2", ["P1"], False), ("P1|P2", ["P1", "P2"], True), ("P2", ["P1"], True)],
)
def test_who_comes_back_is_supervised_by_whoever_is_there(
    register: Register, imports: Import, deleted: str, listed: list[str], kept: bool
) -> None:
    register.tenant()
    rows = {who: f"A-{who},RN,TX,2027-01-31,,{who},Ada,\n" for who in ("P1", "P2")}
    imports(HEADER + "".join(rows.values()))
    register.execute(
        "UPDATE clinicians SET supervisor_id = supervisor.clinician_id FROM clinicians AS supervisor"
        " WHERE clinicians.external_id = 'P1' AND supervisor.external_id = 'P2'"
    )
    delete(register, people=deleted)

    imports(HEADER + "".join(rows[who] for who in listed))

    supervised = "SELECT supervisor_id IS NOT NULL, deleted_at FROM clinicians WHERE external_id = 'P1'"
    assert register.rows(supervised) == [(kept, None)]


def test_whoever_gets_another_s_ended_licence_comes_back_to_hold_it(
    register: Register, imports: Import
) -> None:
    register.tenant()
    imports(HEADER + "A1,RN,TX,2027-01-31,,P1,Ada,\nA2,RN,TX,2027-01-31,,P2,Bo,\n")
    delete(register, people="P1")
    register.execute("UPDATE clinicians SET status = 'DECEASED' WHERE external_id = 'P1'")

    imports(HEADER + "A2,RN,TX,2027-01-31,Revoked,P1,Ada,\n")

    assert licenses(register, "license_number, external_id, clinicians.status, clinicians.deleted_at") == [
        ("A1", "P1", "DECEASED", None), ("A2", "P1", "DECEASED", None),
    ]  # fmt: skip


def test_an_edit_that_it_meets_does_not_end_it(register: Register, imports: Import) -> None:
    """The edit has the licence and wants its holder, whom the import has, and waits for the licence."""
    register.tenant()
    row = "A1,RN,TX,{},,P1,{},\n"
    imports(HEADER + row.format("2027-01-31", "Ada"))
    with ThreadPoolExecutor() as pool:
        with register.database.engine.connect() as edit, suppress(DBAPIError):
            edit.execute(text("UPDATE licenses SET expires_on = '2028-01-31'"))
            importing = pool.submit(imports, HEADER + row.format("2029-01-31", "Ada Byron"))
            wait_for(register, 1)
            edit.execute(text("UPDATE clinicians SET phone = '+12125550100'"))
            edit.commit()
        report = importing.result()

    assert (report.licenses.changed, report.people.changed) == (1, 1)
    assert licenses(register, "expires_on, full_name") == [(date(2029, 1, 31), "Ada Byron")]


def test_one_mailbox_may_serve_several_people(register: Register, imports: Import) -> None:
    register.tenant()
    report = imports(HEADER + "A1,RN,TX,2027-01-31,,,Ada,desk@x.test\nA2,RN,TX,2027-01-31,,,Bo,desk@x.test\n")

    assert report.people.new == 2


def test_a_register_of_several_tenants(register: Register, imports: Import) -> None:
    clinic, other = register.tenant(), register.tenant("other")
    rows = ("clinic,A1", f"{other},A1", "nobody,A2", ",A3")
    content = "tenant,license,expires\n" + "".join(f"{row},2027-01-31\n" for row in rows)

    report = imports(content, tenant=None)

    assert (report.licenses.new, report.rows.rejected) == (2, 2)
    assert set(report.replanned) == {clinic, other}
    assert register.rows("SELECT tenant_id FROM imports") == [(None,)]
    # for one tenant, the rows of others are no business of this import
    assert (imports(content).licenses, imports(content).rows.rejected) == (Merged(1, 0, 1), 2)


def test_a_tenant_must_be_named_and_known(register: Register, imports: Import) -> None:
    register.tenant()

    with pytest.raises(TenantNotNamed):
        imports(HEADER + "A1,RN,TX,2027-01-31,,,,\n", tenant=None)
    with pytest.raises(UnknownTenant):
        imports(HEADER + "A1,RN,TX,2027-01-31,,,,\n", tenant="nobody")


def test_an_import_that_fails_leaves_everything_as_it_was(register: Register, imports: Import) -> None:
    register.tenant()
    imports(HEADER + "A1,RN,TX,2027-01-31,,P1,Ada,\n")

    def replan(_connection: Connection, _tenant: UUID | None) -> None:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        imports(HEADER + "A1,RN,TX,2028-01-31,,P1,Ada B,\nA2,RN,TX,2027-01-31,,P2,Bo,\n", replan=replan)

    assert licenses(register, "license_number, expires_on, full_name") == [("A1", date(2027, 1, 31), "Ada")]
    jobs = register.rows("SELECT status, failure, counts FROM imports ORDER BY status")
    assert [(status, failure) for status, failure, _ in jobs] == [("DONE", None), ("FAILED", "TimeoutError")]
    assert jobs[0][2]["licenses"] == {"new": 1, "changed": 0, "unchanged": 0}


def test_the_job_says_what_was_imported_and_how(register: Register, imports: Import) -> None:
    clinic = register.tenant()
    report = imports("license,expires\nA1,01/31/2027\nA2,02/28/2027\n")

    assert register.rows(
        "SELECT import_id, tenant_id, source_name, sha256, mapping, date_order,"
        " started_at, finished_at >= started_at, counts FROM imports"
    ) == [
        (
            report.import_id,
            clinic,
            "register",
            report.survey.source.sha256,
            {"license_number": ["license"], "expires_on": ["expires"]},
            "month-first",
            NOW,
            True,
            json.loads(json.dumps(report.counts())),
        )
    ]


def test_a_tenant_sees_its_own_imports_only(register: Register, imports: Import) -> None:
    clinic = register.tenant()
    register.tenant("other")
    content = "license,expires\nA1,2027-01-31\n"
    imports(content)
    imports(content, tenant="other")

    with register.database.api.begin() as connection:
        connection.execute(text("SELECT set_config('app.tenant_id', :tenant, true)"), {"tenant": str(clinic)})
        assert connection.execute(text("SELECT tenant_id FROM imports")).all() == [(clinic,)]


def test_two_imports_at_once_add_every_licence_once(register: Register, tmp_path: Path) -> None:
    register.tenant()
    path = tmp_path / "register.csv"
    path.write_text("license,expires\n" + "".join(f"A{n},2027-01-31\n" for n in range(3000)))
    reports: list[ImportReport] = []
    both_staged = threading.Barrier(2)

    def run(name: str) -> None:
        def wait_for_the_other(progress: Progress) -> None:
            if progress.stage is Stage.MERGING:
                both_staged.wait(timeout=30)

        reports.append(
            import_records(
                register.database.engine,
                survey(path),
                tenant="clinic",
                rejects=tmp_path / name,
                now=datetime(2026, 10, 26, tzinfo=UTC),
                actor=name,
                replan=lambda _connection, _tenant: None,
                on_progress=wait_for_the_other,
            )
        )

    threads = [threading.Thread(target=run, args=(name,)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(report.licenses for report in reports) == [Merged(0, 0, 3000), Merged(3000, 0, 0)]
    assert register.rows("SELECT count(*) FROM licenses") == [(3000,)]
