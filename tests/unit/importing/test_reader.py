"""Every layout, compression and encoding gives the same rows; a damaged row costs only itself."""

import json

import pytest

from nolapse.planning.importing.errors import UnreadableSource
from nolapse.planning.importing.reader import read_rows
from nolapse.planning.importing.rows import Row
from nolapse.planning.importing.source import Layout, inspect
from tests.unit.importing.conftest import WriteRegister

RECORDS = [{"License": "A 1", "Name": "Zoë, RN"}, {"License": "A 2", "Name": 'Al "Sax" Ng'}]


def delimited(delimiter: str) -> str:
    def cell(text: str) -> str:
        return '"' + text.replace('"', '""') + '"'

    lines = [delimiter.join(RECORDS[0]), *(delimiter.join(map(cell, row.values())) for row in RECORDS)]
    return "\r\n".join(lines) + "\r\n"


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize(
    ("content", "numbers"),
    [
        (delimited(",").encode(), [2, 3]),
        (delimited("\t").encode(), [2, 3]),
        (delimited(";").encode(), [2, 3]),
        (delimited("|").encode("utf-8-sig"), [2, 3]),
        (delimited(",").encode("cp1252"), [2, 3]),
        (delimited("\t").encode("utf-16"), [2, 3]),
        (json.dumps(RECORDS).encode(), [1, 2]),
        (json.dumps(RECORDS, ensure_ascii=False, indent=1).encode("utf-8-sig"), [1, 2]),
        ("\n\n".join(map(json.dumps, RECORDS)).encode(), [1, 3]),
    ],
)
def test_every_layout_gives_the_same_rows(
    write_register: WriteRegister, content: bytes, numbers: list[int], zipped: bool
) -> None:
    source = inspect(write_register(content, zipped=zipped))

    assert list(read_rows(source)) == [
        Row(number, record) for number, record in zip(numbers, RECORDS, strict=True)
    ]


def test_nested_and_absent_keys_of_json(write_register: WriteRegister) -> None:
    records = [{"id": 7, "holder": {"zip": "02139", "tags": ["a", {"b": 1}, 2]}}, {"id": None, "on": True}, 3]
    source = inspect(write_register(json.dumps(records)))

    assert list(read_rows(source)) == [
        Row(1, {"id": "7", "holder.zip": "02139", "holder.tags": "a; 2"}),
        Row(2, {"id": "", "on": "True"}),
        Row(3, {}, "is not a JSON object"),
    ]


def test_a_bad_line_among_json_lines_costs_only_itself(write_register: WriteRegister) -> None:
    deep = '{"a":' * 100_000
    source = inspect(write_register(f'{{"a": 1}}\n{{"a": \n{{"a": 3}}\n{deep}\n{{"a": 5}}\n'))

    assert source.layout is Layout.JSON_LINES
    assert [(row.number, row.values, bool(row.problem)) for row in read_rows(source)] == [
        (1, {"a": "1"}, False),
        (2, {}, True),
        (3, {"a": "3"}, False),
        (4, {}, True),
        (5, {"a": "5"}, False),
    ]


@pytest.mark.parametrize("layout", ["{}\n{}", "[{}, {}]"])
def test_a_record_that_is_nested_too_deeply_costs_only_itself(
    write_register: WriteRegister, layout: str
) -> None:
    deep = '{"a":' * 5_000 + "1" + "}" * 5_000
    first, second = read_rows(inspect(write_register(layout.format('{"a": 1}', deep))))

    assert first.values == {"a": "1"}
    assert (second.values, "too deeply" in second.problem) == ({}, True)


def test_a_json_array_that_breaks_off_is_refused_as_a_whole(write_register: WriteRegister) -> None:
    source = inspect(write_register('[{"a": 1}, {"a": 2}, {"a"'))

    with pytest.raises(UnreadableSource, match="after record 2"):
        list(read_rows(source))


def test_ragged_rows_have_a_problem_and_their_line(write_register: WriteRegister) -> None:
    source = inspect(write_register("a,b\n1,2\n3\n\n4,5,6\n7,8,,\n"))

    assert list(read_rows(source)) == [
        Row(2, {"a": "1", "b": "2"}),
        Row(3, {}, "has 1 cells where the header has 2: quote cells that hold the delimiter"),
        Row(5, {}, "has 3 cells where the header has 2: quote cells that hold the delimiter"),
        Row(6, {"a": "7", "b": "8"}),
    ]


def test_line_ends_within_a_cell_count_as_lines(write_register: WriteRegister) -> None:
    source = inspect(write_register('a,b\n"1\nand more",2\n3,4\n'))

    assert [row.number for row in read_rows(source)] == [2, 4]


@pytest.mark.parametrize("stray", ['1,"2', '"1,2'])
@pytest.mark.parametrize("end", ["5,6", '5,"6'])
@pytest.mark.parametrize("swallowed", [1, 25_000])
def test_a_stray_quote_swallows_no_rows(
    write_register: WriteRegister, stray: str, end: str, swallowed: int
) -> None:
    """Also when what it swallows is longer than the csv module takes in one field."""
    many = "".join(f"{number},x\n" for number in range(swallowed))
    source = inspect(write_register(f"a,b\n{stray}\n3,4\n{many}{end}\n"))

    rows = list(read_rows(source))

    assert ",".join(rows[0].values.values()) == stray
    assert rows[1] == Row(3, {"a": "3", "b": "4"})
    assert ",".join(rows[-1].values.values()).replace('"', "").strip() == "5,6"
    assert [row.number for row in rows] == list(range(2, len(rows) + 2))


def test_columns_of_one_name_stay_apart(write_register: WriteRegister) -> None:
    source = inspect(write_register("Name,,Name\nA,B,C\n"))

    assert next(read_rows(source)).values == {"Name": "A", "column 2": "B", "Name (2)": "C"}


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"", "it is empty"), (b" \n", "it is empty"), (b"\x1f\x8bnot really gzip", "cannot be read")],
)
def test_unreadable_files_are_refused(write_register: WriteRegister, content: bytes, says: str) -> None:
    with pytest.raises(UnreadableSource, match=says):
        inspect(write_register(content))


def test_a_gzip_file_that_breaks_off_is_refused(write_register: WriteRegister) -> None:
    whole = write_register("a,b\n" + "1,2\n" * 10_000, zipped=True).read_bytes()

    with pytest.raises(UnreadableSource):
        inspect(write_register(whole[:-20]))


def test_a_missing_file_is_refused(write_register: WriteRegister) -> None:
    path = write_register("a")
    path.unlink()

    with pytest.raises(UnreadableSource, match="No such file"):
        inspect(path)
