"""A register's row becomes a record to store, or the reasons why it cannot be one."""

import re
from collections.abc import Callable
from datetime import date
from typing import NamedTuple
from uuid import UUID

from nolapse.domain.dates import SILENT, Dated, DateOrder, Undated, Unreadable, read_date
from nolapse.domain.texts import LONGEST, flaw, shortened, tidy
from nolapse.domain.us_states import LONGEST_STATE, state_code
from nolapse.planning.importing.contacts import read_email, read_phone
from nolapse.planning.importing.headers import Field
from nolapse.planning.importing.mapping import Choice, Mapping
from nolapse.planning.importing.rows import Row
from nolapse.planning.importing.standing import is_over
from nolapse.planning.importing.zones import ZoneSource, place

UNTYPED = "License"
# What an erasure overwrote (storage/personal.toml): nobody can be it again.
ERASED = re.compile(r"erased-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# Texts that are somebody's name or a register's own word, also when they look like a blank.
VERBATIM = frozenset({Field.FULL_NAME, Field.FIRST_NAME, Field.MIDDLE_NAME, Field.LAST_NAME, Field.STATUS})

Texts = dict[Field, str]


class Record(NamedTuple):
    """One row of import_rows, in the order of its columns; None is a blank."""

    row_number: int
    tenant_id: UUID
    license_number: str
    license_type: str
    state: str | None
    expires_on: date | None
    endless: bool
    status: str
    register_status: str | None
    external_id: str
    identified: bool
    full_name: str | None
    email: str | None
    phone: str | None
    whatsapp: str | None
    timezone: str | None


class Problem(NamedTuple):
    field: str
    value: str
    reason: str


class Interpreted(NamedTuple):
    """Without a record the problems say why; beside one they warn. `sentinel` is set for undated rows."""

    record: Record | None
    problems: list[Problem]
    sentinel: str | None = None
    zone_source: ZoneSource | None = None


class Interpreter:
    """Reads rows by a mapping. `tenants` is by slug and id; `tenant` is the one all rows must belong to."""

    def __init__(
        self, mapping: Mapping, order: DateOrder | None, tenants: dict[str, UUID], tenant: UUID | None
    ) -> None:
        self._takes = {field: _taker(choice) for field, choice in mapping.choices.items()}
        self._order = order
        self._tenants = tenants
        self._tenant = tenant

    def read(self, row: Row) -> Interpreted:
        if row.problem:
            return Interpreted(None, [Problem("", "", row.problem)])
        texts = {field: take(row.values) for field, take in self._takes.items()}
        texts[Field.FULL_NAME] = _full_name(texts)
        texts[Field.STATE] = state_code(texts.get(Field.STATE, ""))
        expiry = read_date(texts[Field.EXPIRES_ON], self._order)
        tenant = self._tenant_of(texts)
        problems = _obstacles(texts)
        if isinstance(expiry, Unreadable):
            problems.append(Problem(Field.EXPIRES_ON, texts[Field.EXPIRES_ON], expiry.reason))
        if isinstance(tenant, Problem):
            problems.append(tenant)
        if problems or isinstance(expiry, Unreadable) or isinstance(tenant, Problem):
            return Interpreted(None, problems)
        return _interpreted(row.number, texts, tenant, expiry)

    def _tenant_of(self, texts: Texts) -> UUID | Problem:
        text = texts.get(Field.TENANT, "")
        if not text:
            return self._tenant or Problem(
                Field.TENANT, "", "is blank: name the tenant here, or one for all rows"
            )
        tenant = self._tenants.get(text.casefold())
        if tenant is None:
            return Problem(Field.TENANT, text, "is no tenant: correct it, or create the tenant first")
        if self._tenant not in {None, tenant}:
            return Problem(
                Field.TENANT,
                text,
                "is another tenant than the one that this import is for: import its rows for it",
            )
        return tenant


def _interpreted(number: int, texts: Texts, tenant: UUID, expiry: Dated | Undated) -> Interpreted:
    take = texts.get
    state = take(Field.STATE, "")
    email = read_email(take(Field.EMAIL, ""))
    phone = read_phone(take(Field.PHONE, ""))
    whatsapp = read_phone(take(Field.WHATSAPP, ""))
    placed = place(
        take(Field.TIMEZONE, ""),
        take(Field.ZIP, ""),
        take(Field.ADDRESS_STATE, ""),
        state,
        take(Field.COUNTRY, ""),
    )
    name = texts[Field.FULL_NAME]
    license_type = take(Field.LICENSE_TYPE) or UNTYPED
    person_id = take(Field.PERSON_ID, "")
    record = Record(
        row_number=number,
        tenant_id=tenant,
        license_number=texts[Field.LICENSE_NUMBER],
        license_type=license_type,
        state=state or None,
        expires_on=expiry.on if isinstance(expiry, Dated) else None,
        endless=isinstance(expiry, Undated) and expiry.endless,
        status="ENDED" if is_over(take(Field.STATUS, "")) else "ACTIVE",
        register_status=take(Field.STATUS) or None,
        external_id=person_id
        or shortened(
            # One mailbox may serve a whole practice: the name tells its people apart.
            f"email:{email.value.casefold()}:{name.casefold()}"
            if email.value
            else f"license:{license_type}:{state}:{texts[Field.LICENSE_NUMBER]}"
        ),
        identified=bool(person_id),
        full_name=name or None,
        email=email.value,
        phone=phone.value,
        whatsapp=whatsapp.value,
        timezone=placed.zone,
    )
    found = {
        Field.EMAIL: email.problem,
        Field.PHONE: phone.problem,
        Field.WHATSAPP: whatsapp.problem,
        Field.TIMEZONE: placed.problem,
    }
    warnings = [Problem(field, texts[field], problem) for field, problem in found.items() if problem]
    sentinel = expiry.sentinel if isinstance(expiry, Undated) else None
    return Interpreted(record, warnings, sentinel, placed.source)


# What the API takes as well: whatever is imported can be edited.
LIMITS = {
    Field.LICENSE_NUMBER: LONGEST,
    Field.LICENSE_TYPE: LONGEST,
    Field.STATE: LONGEST_STATE,
    Field.PERSON_ID: LONGEST,
    Field.FULL_NAME: LONGEST,
}


def _obstacles(texts: Texts) -> list[Problem]:
    problems = []
    if not texts[Field.LICENSE_NUMBER]:
        problems.append(Problem(Field.LICENSE_NUMBER, "", "is blank: a licence needs its number"))
    for field, longest in LIMITS.items():
        said = texts.get(field, "")
        if problem := flaw(said, longest):
            problems.append(Problem(field, said, problem))
    problems.extend(
        Problem(field, texts[field], "stands for what was erased: take another")
        for field in (Field.LICENSE_NUMBER, Field.PERSON_ID)
        if ERASED.fullmatch(texts.get(field, ""))
    )
    return problems


def _full_name(texts: Texts) -> str:
    parts = [
        text
        for field in (Field.FIRST_NAME, Field.MIDDLE_NAME, Field.LAST_NAME, Field.NAME_SUFFIX)
        if (text := texts.get(field, ""))
    ]
    if texts.get(Field.FIRST_NAME) and texts.get(Field.LAST_NAME):
        return " ".join(parts)
    return texts.get(Field.FULL_NAME) or " ".join(parts)


def _taker(choice: Choice) -> Callable[[dict[str, str]], str]:
    clean = _verbatim if choice.field in VERBATIM or choice.field is Field.EXPIRES_ON else _said
    if not choice.columns:
        literal = tidy(choice.literal)
        return lambda _values: literal
    if len(choice.columns) == 1:
        column = choice.columns[0]
        return lambda values: clean(values.get(column, ""))
    return lambda values: next(
        (text for column in choice.columns if (text := clean(values.get(column, "")))), ""
    )


def _verbatim(text: str) -> str:
    """Tidy, and out of Excel's ="00123"."""
    said = tidy(text)
    return said[2:-1].strip() if said.startswith('="') and said.endswith('"') else said


def _said(text: str) -> str:
    said = _verbatim(text)
    return "" if said.casefold() in SILENT else said
