"""What a survey finds out by itself, what it asks for, and what it says when it asks."""

import re

import pytest

from nolapse.domain.dates import DateOrder
from nolapse.planning.importing.errors import (
    AmbiguousColumns,
    AmbiguousDates,
    FieldNotFound,
    ImportRefused,
    UnknownColumn,
    UnknownField,
)
from nolapse.planning.importing.headers import Field, fields_of, words_of
from nolapse.planning.importing.mapping import Choice
from nolapse.planning.importing.progress import Progress, Stage
from nolapse.planning.importing.survey import survey
from tests.unit.importing.conftest import WriteRegister

HEADERS = {
    Field.EXPIRES_ON: (
        "LICENSE_TERM_EXPIRATION_DATE|lic_expir_dd|Expiration Date|ExpirationDate|expires|valid until|CLOSE DATE"
        "|Licence expiry|Exp. Date|licenseexpirationdate|License Exp Dt|expdate|Valid Thru|renewal due date"
    ),
    Field.LICENSE_NUMBER: (
        "License Number|CredentialNumber|license_nbr|LICENSE_ID|UBI|License #|Lic. No.|licno|Permit Number"
    ),
    Field.LICENSE_TYPE: "license_type|CredentialType|LICENSE_DESCRIPTION|license_type_name|Profession|industry",
    Field.STATUS: "Status|license_status|LicStatus",
    Field.FULL_NAME: "Full Name|LEGAL_NAME|business_name|Pharmacy Name|DOING_BUSINESS_AS_NAME|Provider Name|name",
    Field.LAST_NAME: "LastName|last_name|surname|org_or_last_name",
    Field.FIRST_NAME: "FirstName|First Name|given_name",
    Field.PERSON_ID: "Clinician ID|provider_id|NPI|Employee Number|ACCOUNT_NUMBER|person_id",
    Field.EMAIL: "E-mail Address|emailAddress|EMAIL|work_email|Clinician Email",
    Field.PHONE: "Phone|mobile_phone|Cell|Telephone Number",
    Field.WHATSAPP: "WhatsApp|whatsapp_number|WhatsApp Phone|Whats App No.",
    Field.ZIP: "zip|ZIP_CODE|Zipcode|Postal Code",
    Field.TIMEZONE: "timezone|Time Zone|tz",
    Field.STATE: "License State|Issuing State|Jurisdiction",
    Field.TENANT: "tenant|tenant_slug",
}
STRANGERS = (
    "agency_name|relationship_name|school|original_isuue_date|FirstIssueDate|CEDueDate|DEA Expiration|NAICS|ID"
    "|Inspection_ID|Fax Number|license_number_part_b|BirthYear|WhatsApp since|status_effective_date|maxDate|county"
)


@pytest.mark.parametrize(
    ("field", "header"),
    [(field, header) for field, headers in HEADERS.items() for header in headers.split("|")],
)
def test_headers_say_what_they_hold(field: Field, header: str) -> None:
    assert set(fields_of(header)) == {field}


@pytest.mark.parametrize("header", STRANGERS.split("|"))
def test_other_headers_say_nothing(header: str) -> None:
    assert fields_of(header) == {}


def test_one_vocabulary_for_many_spellings() -> None:
    spellings = [
        "LICENSE_EXPIRATION_DATE",
        "licExpDt",
        "Licence Expiry Date",
        "lic.expir.dd",
        "licenseexpirationdate",
    ]
    assert {words_of(spelling) for spelling in spellings} == {("license", "expiration", "date")}


def test_the_guess_is_laid_open(write_register: WriteRegister) -> None:
    found = survey(write_register("License No,Expires,City,State,Shoe size\nA1,2026-05-01,Reno,NV,\n"))

    assert list(found.mapping.choices.values()) == [
        Choice(Field.LICENSE_NUMBER, ("License No",), guessed=True),
        Choice(Field.EXPIRES_ON, ("Expires",), guessed=True),
        Choice(
            Field.ADDRESS_STATE,
            ("State",),
            guessed=True,
            note="the holder's address; if it is the licence's own: --map state='State'",
        ),
    ]
    assert found.mapping.unused == ("City", "Shoe size")
    assert found.filled == {"License No": 1, "Expires": 1, "City": 1, "State": 1, "Shoe size": 0}
    assert (found.rows, found.date_order) == (1, None)


def test_whoever_maps_a_number_to_whatsapp_is_told_what_it_says(write_register: WriteRegister) -> None:
    register = write_register(
        "License No,Expires,Phone,WhatsApp Phone\nA1,2026-05-01,2125550134,2125550135\n"
    )

    found = survey(register)

    assert found.mapping.columns(Field.PHONE) == ("Phone",)
    assert found.mapping.choices[Field.WHATSAPP] == Choice(
        Field.WHATSAPP,
        ("WhatsApp Phone",),
        guessed=True,
        note="guessed; whoever's number stands there must have agreed to be written to",
    )
    assert survey(register, given={"whatsapp": "="}).mapping.columns(Field.WHATSAPP) == ()


def test_a_state_without_an_address_beside_it_is_the_licences_own(write_register: WriteRegister) -> None:
    found = survey(write_register("License No,Expires,State,Zip\nA1,2026-05-01,NV,89101\n"))

    assert found.mapping.columns(Field.STATE) == ("State",)


def test_columns_that_take_turns_are_read_as_one(write_register: WriteRegister) -> None:
    found = survey(
        write_register(
            "number,license_number,license_type,license_type_name,license_type_code,expires,expiry\n"
            ",A1,RN,,7,2026-05-01,\n,A2,,Dentist,8,2026-05-01,\n,A3,MD,,,,2026-06-01\n"
        )
    )

    assert found.mapping.columns(Field.LICENSE_NUMBER) == ("license_number",)
    assert found.mapping.columns(Field.LICENSE_TYPE) == ("license_type", "license_type_name")
    assert found.mapping.columns(Field.EXPIRES_ON) == ("expires", "expiry")


def test_a_mostly_empty_column_gives_way(write_register: WriteRegister) -> None:
    rows = "".join(f"{'P7' if n == 0 else ''},C{n},2026-05-01\n" for n in range(9))
    found = survey(write_register("License Number,Credential Number,Expires\n" + rows))

    assert found.mapping.columns(Field.LICENSE_NUMBER) == ("Credential Number",)


def test_what_is_given_is_taken(write_register: WriteRegister) -> None:
    path = write_register("Key,When,Expires\nA1,31/05/2026,x\n")
    found = survey(path, given={"license_number": "key", "expires_on": "WHEN", "state": "=CA"})

    assert found.mapping.choices[Field.STATE] == Choice(Field.STATE, literal="CA")
    assert found.mapping.columns(Field.EXPIRES_ON) == ("When",)
    assert found.date_order is DateOrder.DAY_FIRST


def test_a_missing_column_is_asked_for(write_register: WriteRegister) -> None:
    path = write_register("Serial,Expires\nA1,2026-05-01\n")

    with pytest.raises(
        FieldNotFound, match=re.escape("'Serial', 'Expires': name it with --map license_number=COLUMN")
    ):
        survey(path)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("License,Expires\n", "register.csv has no row below its header"),
        ("[]", "register.csv has no row below its header"),
        (
            "License,Expires,Name\n\nA1,2026-05-01\nA2,2026-05-01\n",
            "row 3 has 2 cells where the header has 3",
        ),
        ("[1, {}]", "no row of register.csv can be read: row 1 is not a JSON object"),
        ("[{}]", "no row of register.csv can be read: row 1 says nothing"),
    ],
)
def test_a_register_without_a_row_to_read_says_so(
    write_register: WriteRegister, content: str, says: str
) -> None:
    with pytest.raises(ImportRefused, match=re.escape(says)):
        survey(write_register(content))


def test_a_register_goes_by_its_own_name(write_register: WriteRegister) -> None:
    path = write_register("License,Expires\nA1,2026-05-01\n", "x")

    assert survey(path, name="登録簿.csv").source.name == "登録簿.csv"


def test_unknown_names_are_refused(write_register: WriteRegister) -> None:
    path = write_register("License,Expires\nA1,2026-05-01\n")

    with pytest.raises(
        UnknownColumn, match="no column 'Expire' to take expires_on from: did you mean 'Expires'"
    ):
        survey(path, given={"expires_on": "Expire"})
    with pytest.raises(UnknownField, match="there is no field 'expiry' to map a column to"):
        survey(path, given={"expiry": "Expires"})


def test_two_columns_that_differ_are_asked_about(write_register: WriteRegister) -> None:
    header = "License,Expiration Date,License Expiration\n"

    with pytest.raises(
        AmbiguousColumns, match="'Expiration Date', 'License Expiration' may each be expires_on"
    ):
        survey(write_register(header + "A1,2026-05-01,2026-06-01\n"))
    found = survey(write_register(header + "A1,2026-05-01,2026-05-01\n"))
    assert found.mapping.columns(Field.EXPIRES_ON) == ("Expiration Date",)


@pytest.mark.parametrize(
    ("dates", "order"),
    [
        (["03/04/2026", "03/31/2026"], DateOrder.MONTH_FIRST),
        (["03/04/2026", "31/03/2026"], DateOrder.DAY_FIRST),
        (["01/01/2013", "12/12/2013", "null"], None),
        (["2026-03-04", "July 1, 2026"], None),
        (["03/04/26", "03/31/26"], DateOrder.MONTH_FIRST),
        (["03/04/2026", "13/45/2026", "03/31/2026"], DateOrder.MONTH_FIRST),
    ],
)
def test_a_columns_rows_decide_the_order(
    write_register: WriteRegister, dates: list[str], order: DateOrder | None
) -> None:
    rows = "".join(f'A{number},"{text}"\n' for number, text in enumerate(dates))

    assert survey(write_register("License,Expires\n" + rows)).date_order is order


@pytest.mark.parametrize(
    ("dates", "says"),
    [
        (["07/01/2026", "08/01/2026"], "(07/01/2026): say --dates day-first or --dates month-first"),
        (
            ["03/31/2026", "31/03/2026"],
            "(03/31/2026, 31/03/2026): say --dates day-first or --dates month-first",
        ),
        (["26/07/01", "27/08/02"], "(26/07/01): say --dates day-first or --dates year-first"),
    ],
)
def test_an_order_that_no_row_decides_is_asked_for(
    write_register: WriteRegister, dates: list[str], says: str
) -> None:
    path = write_register("License,Expires\n" + "".join(f"A{n},{text}\n" for n, text in enumerate(dates)))

    with pytest.raises(AmbiguousDates, match=re.escape("column 'Expires'") + ".*" + re.escape(says)):
        survey(path)
    assert survey(path, date_order=DateOrder.DAY_FIRST).date_order is DateOrder.DAY_FIRST


def test_progress_is_told(write_register: WriteRegister) -> None:
    told: list[Progress] = []
    rows = "".join(f"A{number},2026-05-01\n" for number in range(10_001))

    survey(write_register("License,Expires\n" + rows), on_progress=told.append)

    assert told == [Progress(Stage.SURVEYING, 5000, None), Progress(Stage.SURVEYING, 10000, None)]
