"""The real public registers, end to end: every row is imported, folded or rejected with a reason."""

from datetime import date
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import pytest
from sqlalchemy import Connection

from nolapse.planning.importing.load import import_records
from nolapse.planning.importing.report import ImportReport
from nolapse.planning.importing.survey import survey
from nolapse.planning.plan import bounds, plan
from tests.integration.conftest import NOW, Register

REGISTERS = Path(__file__).resolve().parents[3] / "shared" / "data"

pytestmark = pytest.mark.skipif(
    not REGISTERS.is_dir(), reason="the real registers do not lie beside the project"
)


class Expected(NamedTuple):
    """Counted in the files by other means: see their manifest.json."""

    file: str
    read: int
    licenses: int
    rejected: int
    undated: dict[str, int]


EXPECTED = [
    Expected("jaffle_clinic_boards/california.csv", 200, 200, 0, {"": 2}),
    Expected("jaffle_clinic_boards/washington.csv", 102, 102, 0, {"": 9}),
    Expected("ca_pharmacy/all_pharmacies_long_dates.csv.gz", 846, 841, 0, {}),
    Expected("ca_pharmacy/enriched_iso_dates.csv.gz", 841, 841, 0, {}),
    Expected("chicago_food_business_licenses/bus_features.csv.gz", 27_600, 11_406, 2_846, {}),
    Expected("nyc_dca_garages/dca_licenses.json.gz", 5_530, 5_529, 0, {"": 30}),
    Expected(
        "wa_business_open_close/wa_open_close.tsv.gz", 255_394, 254_826, 42, {"OPEN": 149_695, "null": 17_730}
    ),
]


def load(register: Register, file: str, tenant: str, rejects: Path) -> ImportReport:
    limits = bounds(NOW, horizon_months=13, lookback_days=14)

    def replan(connection: Connection, tenant_id: UUID | None) -> None:
        plan(connection, limits, tenant_id=tenant_id)

    found = survey(REGISTERS / file)
    return import_records(
        register.database.engine, found, tenant=tenant, rejects=rejects, now=NOW, actor="test", replan=replan
    )


@pytest.mark.parametrize("expected", EXPECTED, ids=lambda expected: expected.file)
def test_every_row_is_accounted_for(register: Register, tmp_path: Path, expected: Expected) -> None:
    register.tenant()
    rejects = tmp_path / "rejects.csv"

    report = load(register, expected.file, "clinic", rejects)

    assert (report.rows.read, report.licenses.new, report.rows.rejected) == expected[1:4]
    assert report.rows.undated == expected.undated
    assert report.folded == expected.read - expected.licenses - expected.rejected
    assert len(rejects.read_text().splitlines()) == 1 + report.folded + expected.rejected
    assert register.rows("SELECT count(*) FROM licenses") == [(expected.licenses,)]
    reminded = (
        "SELECT count(*) FROM notification_schedule JOIN licenses USING (license_id) WHERE expires_on IS NULL"
    )
    assert register.rows(reminded) == [(0,)]
    again = load(register, expected.file, "clinic", rejects)
    assert (again.licenses, again.people.new, again.people.changed) == ((0, 0, expected.licenses), 0, 0)


def schedule(register: Register, tenant: UUID) -> list[tuple[Any, ...]]:
    return register.rows(
        "SELECT license_number, license_type, event, occasion_date, scheduled_at, schedule.status"
        " FROM notification_schedule AS schedule JOIN licenses USING (license_id)"
        " WHERE schedule.tenant_id = :tenant ORDER BY 1, 2, 3",
        tenant=tenant,
    )


def test_one_register_in_two_spellings_gives_one_schedule(register: Register, tmp_path: Path) -> None:
    words, digits = register.tenant("words"), register.tenant("digits")

    load(register, "ca_pharmacy/all_pharmacies_long_dates.csv.gz", "words", tmp_path / "rejects.csv")
    load(register, "ca_pharmacy/enriched_iso_dates.csv.gz", "digits", tmp_path / "rejects.csv")

    assert len(schedule(register, words)) > 0
    assert schedule(register, words) == schedule(register, digits)


def test_columns_of_a_joined_register_complete_each_other(register: Register, tmp_path: Path) -> None:
    register.tenant()
    load(register, "jaffle_clinic_boards/california.csv", "clinic", tmp_path / "rejects.csv")

    assert register.rows(
        "SELECT license_number, expires_on, full_name, timezone FROM licenses JOIN clinicians USING (clinician_id)"
        " WHERE license_type = 'Dental License' ORDER BY 1"
    ) == [
        ("22193", date(2022, 11, 30), "DONALD LLOYD ANDERSON", "America/Los_Angeles"),
        ("23623", date(2025, 12, 31), "CHRIS HENRY JOHNSON", "America/Los_Angeles"),
    ]
