"""From a row's cells to a record, or to the reasons why not."""

from datetime import date
from uuid import UUID

import pytest

from nolapse.domain.dates import DateOrder
from nolapse.planning.importing.contacts import read_email, read_phone
from nolapse.planning.importing.headers import Field
from nolapse.planning.importing.mapping import Choice, Mapping
from nolapse.planning.importing.records import Interpreted, Interpreter, Problem, Record
from nolapse.planning.importing.rows import Row
from nolapse.planning.importing.standing import is_over
from nolapse.planning.importing.zones import ZoneSource

CLINIC, OTHER = UUID(int=1), UUID(int=2)
TENANTS = {"clinic": CLINIC, str(CLINIC): CLINIC, "other": OTHER}
FIELDS = {field.value: Choice(field, (field.value,)) for field in Field}


def read(**cells: str) -> Interpreted:
    return read_for(CLINIC, cells)


def read_for(tenant: UUID | None, cells: dict[str, str]) -> Interpreted:
    given = {"license_number": "A1", "expires_on": "05/31/2026"} | cells
    mapping = Mapping({Field(name): FIELDS[name] for name in given}, ())
    return Interpreter(mapping, DateOrder.MONTH_FIRST, TENANTS, tenant).read(Row(7, given))


def record(**cells: str) -> Record:
    interpreted = read(**cells)
    assert interpreted.record
    return interpreted.record


def test_a_full_row() -> None:
    interpreted = read(
        license_number=" SCP   101269 ", license_type="Pharmacist", state="California", status="Current",
        tenant="Clinic", person_id="P-1", first_name="Zoë", middle_name="Q", last_name="Null", name_suffix="Jr",
        email="Zoe@Clinic.TEST", phone="(212) 555-0134 x7", whatsapp="+44 20 7946 0958", zip="94110",
    )  # fmt: skip

    assert interpreted == Interpreted(
        Record(
            7, CLINIC, "SCP 101269", "Pharmacist", "CA", date(2026, 5, 31), False, "ACTIVE", "Current", "P-1", True,
            "Zoë Q Null Jr", "Zoe@clinic.test", "+12125550134", "+442079460958", "America/Los_Angeles",
        ),
        [],
        None,
        ZoneSource.ZIP,
    )  # fmt: skip


def test_the_barest_row() -> None:
    assert record() == Record(
        7, CLINIC, "A1", "License", None, date(2026, 5, 31), False, "ACTIVE", None, "license:License::A1", False,
        None, None, None, None, None,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("cells", "problem"),
    [
        ({"license_number": " N/A "}, Problem("license_number", "", "is blank: a licence needs its number")),
        (
            {"license_number": "9" * 201},
            Problem("license_number", "9" * 201, "is longer than 200 characters: shorten it"),
        ),
        (
            {"expires_on": "02/30/2026"},
            Problem("expires_on", "02/30/2026", "is no day of the calendar: correct it"),
        ),
        (
            {"tenant": "nobody"},
            Problem("tenant", "nobody", "is no tenant: correct it, or create the tenant first"),
        ),
        (
            {"tenant": "other"},
            Problem(
                "tenant",
                "other",
                "is another tenant than the one that this import is for: import its rows for it",
            ),
        ),
    ],
)
def test_rows_that_cannot_be_records_say_why(cells: dict[str, str], problem: Problem) -> None:
    assert read(**cells) == Interpreted(None, [problem])


@pytest.mark.parametrize(
    ("cells", "field"),
    [
        ({"full_name": "x" * 201}, "full_name"),
        ({"first_name": "x" * 150, "last_name": "y" * 60}, "full_name"),
        ({"person_id": "x" * 201}, "person_id"),
        ({"license_type": "R\ue000N"}, "license_type"),
        ({"full_name": "Ada \ud800"}, "full_name"),
        ({"state": "Commonwealth of Massachusetts Board of Registration in Nursing"}, "state"),
        ({"state": "ß" * 26}, "state"),
        ({"person_id": "erased-01890000-0000-7000-8000-000000000000"}, "person_id"),
        ({"license_number": "erased-01890000-0000-7000-8000-000000000000"}, "license_number"),
    ],
)
def test_what_the_api_would_not_take_is_refused_and_says_what_to_do(
    cells: dict[str, str], field: str
) -> None:
    interpreted = read(**cells)

    assert interpreted.record is None
    ((named, _, reason),) = interpreted.problems
    assert (named, ": " in reason) == (field, True)


def test_ids_that_are_made_up_fit_and_tell_people_apart() -> None:
    name, address = "a" * 199, f"{'b' * 60}@{'c' * 60}.test"
    ids = [record(full_name=name + last, email=address).external_id for last in ("x", "y", "x")]
    ids += [record(license_number=last * 200, license_type="d" * 200).external_id for last in "12"]

    assert {len(each) for each in ids} == {200}
    assert (ids[0] == ids[2], len(set(ids))) == (True, 4)


def test_every_row_belongs_to_a_tenant() -> None:
    assert read_for(None, {"tenant": ""}).problems == [
        Problem("tenant", "", "is blank: name the tenant here, or one for all rows")
    ]
    found = read_for(None, {"tenant": str(CLINIC)}).record
    assert found
    assert found.tenant_id == CLINIC


def test_every_obstacle_of_a_row_is_named() -> None:
    problems = read(license_number="", expires_on="soon", tenant="nobody").problems

    assert [problem.field for problem in problems] == ["license_number", "expires_on", "tenant"]


def test_a_row_that_could_not_be_read_keeps_its_problem() -> None:
    interpreter = Interpreter(Mapping({}, ()), None, TENANTS, CLINIC)

    assert interpreter.read(Row(7, {}, "has 1 cells")).problems == [Problem("", "", "has 1 cells")]


@pytest.mark.parametrize(
    ("cell", "sentinel", "endless"), [("", "", False), ("OPEN", "OPEN", True), ("null", "null", False)]
)
def test_undated_rows_are_records(cell: str, sentinel: str, endless: bool) -> None:
    interpreted = read(expires_on=cell)

    assert interpreted.record
    assert (interpreted.record.expires_on, interpreted.record.endless) == (None, endless)
    assert interpreted.sentinel == sentinel


@pytest.mark.parametrize("field", ["email", "phone", "whatsapp", "timezone"])
def test_what_cannot_be_used_is_left_out_and_told(field: str) -> None:
    interpreted = read(**{field: "what?"})

    assert interpreted.record
    assert getattr(interpreted.record, field) is None
    assert [(problem.field, problem.value) for problem in interpreted.problems] == [(field, "what?")]


@pytest.mark.parametrize(
    ("cells", "external_id", "identified"),
    [
        ({"person_id": "P-1", "email": "a@b.test"}, "P-1", True),
        ({"email": "Ada@B.test", "full_name": "Ada Berg"}, "email:ada@b.test:ada berg", False),
        ({"email": "Ada@B.test", "full_name": "Bo Berg"}, "email:ada@b.test:bo berg", False),
        ({"email": "nonsense", "state": "ca"}, "license:License:CA:A1", False),
    ],
)
def test_who_a_person_is(cells: dict[str, str], external_id: str, identified: bool) -> None:
    assert (record(**cells).external_id, record(**cells).identified) == (external_id, identified)


@pytest.mark.parametrize(
    ("cells", "name"),
    [
        ({"full_name": "Acme Pharmacy", "first_name": "Ada", "last_name": "Berg"}, "Ada Berg"),
        ({"full_name": "Acme Pharmacy", "first_name": "", "last_name": ""}, "Acme Pharmacy"),
        ({"last_name": "Acme Pharmacy"}, "Acme Pharmacy"),
        ({"full_name": "  "}, None),
    ],
)
def test_what_a_person_is_called(cells: dict[str, str], name: str | None) -> None:
    assert record(**cells).full_name == name


def test_cells_that_spreadsheets_and_programs_spoil() -> None:
    spoilt = record(license_number='="00123"', license_type="R\0N", full_name="A\u00a0\n B")

    assert (spoilt.license_number, spoilt.license_type, spoilt.full_name) == ("00123", "R N", "A B")


def test_what_nobody_sees_makes_no_other_licence() -> None:
    seen = record(
        license_number="\ufeffM-1\u00adX", full_name="Mia\u200b One", person_id="P\u200d1", state="n\u200by"
    )

    assert (seen.license_number, seen.full_name, seen.external_id, seen.state) == (
        "M-1X",
        "Mia One",
        "P1",
        "NY",
    )


def test_the_first_filled_column_and_literals() -> None:
    choices = {
        Field.LICENSE_NUMBER: Choice(Field.LICENSE_NUMBER, ("a", "b")),
        Field.EXPIRES_ON: Choice(Field.EXPIRES_ON, ("on",)),
        Field.STATE: Choice(Field.STATE, literal="CA"),
    }
    interpreter = Interpreter(Mapping(choices, ()), None, TENANTS, CLINIC)
    found = interpreter.read(Row(1, {"a": " ", "b": "B2", "on": "2026-05-31"})).record

    assert found
    assert (found.license_number, found.state) == ("B2", "CA")


OVER = "Surrendered|REVOKED|Deceased|Cancelled|Canceled|Void|Withdrawn|Retired|Out of Business|SUPERSEDED|AAC|REV"
GOING_ON = (
    "Active|Inactive|Expired|Delinquent|CurrentInactive|EXPIRED WA - ACTIVE MSL|Revocation stayed, probation"
    "|Retired - Active|Suspended|Pending cancellation|CLEAR|AAI|REA|"
)


@pytest.mark.parametrize("status", OVER.split("|"))
def test_licences_that_are_over(status: str) -> None:
    assert is_over(status)


@pytest.mark.parametrize("status", GOING_ON.split("|"))
def test_licences_that_go_on(status: str) -> None:
    assert not is_over(status)


@pytest.mark.parametrize(
    ("text", "email"),
    [
        ("ada@clinic.test", "ada@clinic.test"),
        ("Ada Berg <ada.b+rn@Mail.Clinic.Test>", "ada.b+rn@mail.clinic.test"),
        ("mailto:ada@clinic.test", "ada@clinic.test"),
        ("ada@clinic", None),
        ("ada@clinic..test", None),
        ("ada@-clinic.test", None),
        ("a@b.test; c@d.test", None),
        ("a b@c.test", None),
        ("x" * 65 + "@clinic.test", None),
        ("ada\ud800@clinic.test", None),
        ("ada@\u0130clinic.test", None),  # whose small letter is two
    ],
)
def test_email_addresses(text: str, email: str | None) -> None:
    assert read_email(text).value == email
    assert bool(read_email(text).problem) == (email is None)


@pytest.mark.parametrize(
    ("text", "phone"),
    [
        ("(212) 555-0134", "+12125550134"),
        ("1-212-555-0134 ext. 12", "+12125550134"),
        ("+44 20 7946 0958", "+442079460958"),
        ("0044 20 7946 0958", "+442079460958"),
        ("+1 212 555 0134", "+12125550134"),
        ("+1 112 555 0134", None),
        ("555-0134", None),
        ("012 555 0134", None),
        ("212-555-0134 / 212-555-0135", None),
        ("call me", None),
        ("+1212555\u0660\u0661\u0662\u0663", None),
    ],
)
def test_phone_numbers(text: str, phone: str | None) -> None:
    assert read_phone(text).value == phone
    assert bool(read_phone(text).problem) == (phone is None)
