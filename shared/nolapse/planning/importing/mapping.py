"""Which column of a register holds what: as given by a person, else guessed from headers and contents."""

from collections.abc import Mapping as Given
from dataclasses import dataclass

from nolapse.planning.importing.errors import AmbiguousColumns, FieldNotFound, UnknownColumn, UnknownField
from nolapse.planning.importing.headers import REQUIRED, Field, fields_of, is_address, is_plain_state
from nolapse.planning.importing.tally import Tally

# Identifiers of different systems must not be mixed, whichever of them is filled.
NEVER_JOINED = frozenset({Field.PERSON_ID, Field.TENANT})
LITERAL_MARK = "="


@dataclass(frozen=True, slots=True)
class Choice:
    """Where a field comes from: the first of `columns` that is filled in a row, or `literal` in every row."""

    field: Field
    columns: tuple[str, ...] = ()
    literal: str = ""
    guessed: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True)
class Mapping:
    choices: dict[Field, Choice]
    unused: tuple[str, ...]

    def columns(self, field: Field) -> tuple[str, ...]:
        choice = self.choices.get(field)
        return choice.columns if choice else ()


def choose(given: Given[str, str], tally: Tally) -> Mapping:
    """`given` maps field names to a column, or to =TEXT for a text that holds in every row.

    Raises UnknownField and UnknownColumn where `given` names what is not there, AmbiguousColumns and
    FieldNotFound where a field that every row needs cannot be told from the headers.
    """
    choices = {field: _as_given(field, text, tally) for field, text in _by_field(given).items()}
    taken = {column for choice in choices.values() for column in choice.columns}
    for field in Field:
        candidates = [column for column in _candidates(field, tally) if column not in taken]
        if field not in choices and candidates:
            choices[field] = _guess(field, candidates, tally)
            taken.update(choices[field].columns)
    for field in REQUIRED:
        if field not in choices:
            raise FieldNotFound(field, list(tally.filled))
    return Mapping(choices, unused=tuple(column for column in tally.filled if column not in taken))


def _by_field(given: Given[str, str]) -> dict[Field, str]:
    names = {field.value for field in Field}
    for name in given:
        if name not in names:
            raise UnknownField(name, sorted(names))
    return {Field(name): text for name, text in given.items()}


def _as_given(field: Field, text: str, tally: Tally) -> Choice:
    if text.startswith(LITERAL_MARK):
        return Choice(field, literal=text.removeprefix(LITERAL_MARK))
    for column in (text, *tally.filled):
        if column in tally.filled and column.casefold() == text.casefold():
            return Choice(field, (column,))
    raise UnknownColumn(field, text, list(tally.filled))


def _candidates(field: Field, tally: Tally) -> list[str]:
    """The columns whose headers may mean `field`, plainest first."""
    ranked = [column for column in tally.filled if field in fields_of(column)]
    ranked.sort(key=lambda column: fields_of(column)[field])
    if field is _plain_state_means(tally):
        ranked += [column for column in tally.filled if is_plain_state(column)]
    return ranked


def _plain_state_means(tally: Tally) -> Field:
    """Beside a street or a city, or a column for the licence's own state, `State` belongs to an address."""
    beside = any(is_address(column) or Field.STATE in fields_of(column) for column in tally.filled)
    return Field.ADDRESS_STATE if beside else Field.STATE


def _guess(field: Field, candidates: list[str], tally: Tally) -> Choice:
    filled = [column for column in candidates if tally.filled[column]] or candidates[:1]
    fullest = max(tally.filled[column] for column in filled)
    # A column that is mostly empty gives way to a fuller one, however well it is named.
    filled.sort(key=lambda column: tally.filled[column] * 2 < fullest)
    first = filled[0]
    chosen = [first]
    for column in filled[1:]:
        equal = fields_of(column).get(field) == fields_of(first).get(field)
        if field in REQUIRED and equal and tally.disagree(field, first, column):
            raise AmbiguousColumns(field, [first, column])
        joinable = field not in NEVER_JOINED and (equal or field not in REQUIRED)
        if joinable and not any(tally.overlap(field, column, other) for other in chosen):
            chosen.append(column)
    return Choice(field, tuple(chosen), guessed=True, note=_note(field, chosen))


def _note(field: Field, columns: list[str]) -> str:
    if field is Field.ADDRESS_STATE and is_plain_state(columns[0]):
        return f"the holder's address; if it is the licence's own: --map {Field.STATE}={columns[0]!r}"
    if field is Field.WHATSAPP:
        return "guessed; whoever's number stands there must have agreed to be written to"
    if len(columns) > 1:
        return "whichever is filled; no row fills more than one"
    return ""
