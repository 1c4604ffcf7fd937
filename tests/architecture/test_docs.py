"""The documents say what is there: links, commands, tables of functions and settings, the runbooks' SQL."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from sqlalchemy import text

from cli.main import app
from local.template import Template
from nolapse.planning.importing.headers import Field
from nolapse.runtime.settings import Settings
from tests.conftest import Database

ROOT = Path(__file__).parents[2]
DOCUMENTS = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
PICTURES = list(ROOT.glob("docs/images/*"))
TEMPLATE = Template.load(ROOT / "template.yaml")
GLOBALS = TEMPLATE.document["Globals"]["Function"]
FUNCTIONS = dict(TEMPLATE.resources("AWS::Serverless::Function"))

FENCE = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
INLINE_CODE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^)\s]+)\)|(?:src|srcset)=\"([^\"]+)\"")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
ELSEWHERE = re.compile(r"[a-z]+:")
# Where sources and homes of one machine lie.
MACHINE_PATH = re.compile(r"(?<![\w.])/(?:home|root|Users|work|tmp|private|mnt|opt)/")
# Spelt apart, so that this file passes its own test.
REGISTRIES = [
    "pypi" + ".org",
    "files.python" + "hosted",
    "registry.npm" + "js",
    "crates" + ".io",
    "docker" + ".io",
]

on_documents = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))


def prose(document: Path) -> str:
    return INLINE_CODE.sub("", FENCE.sub("", document.read_text(encoding="utf-8")))


def links(document: Path) -> Iterator[tuple[Path, str]]:
    """(file, anchor) of every relative link and picture."""
    for markdown, html in LINK.findall(prose(document)):
        target = markdown or html
        if not ELSEWHERE.match(target):
            path, _, anchor = target.partition("#")
            yield (document.parent / path).resolve() if path else document, anchor


def anchors(document: Path) -> set[str]:
    """As GitHub makes them from headings."""
    headings = HEADING.findall(FENCE.sub("", document.read_text(encoding="utf-8")))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def commands(document: Path, program: str) -> set[str]:
    """The first argument of every call of `program` that stands in code."""
    source = document.read_text(encoding="utf-8")
    code = [block for _, block in FENCE.findall(source)] + INLINE_CODE.findall(FENCE.sub("", source))
    call = re.compile(rf"^(?:\$ )?(?:\.venv/bin/)?{program} ([a-z][a-z-]*)", re.MULTILINE)
    return {argument for piece in code for argument in call.findall(piece)}


def table(document: Path, heading: str) -> dict[str, list[str]]:
    """The rows of the table below a heading, by their first cell."""
    section = document.read_text(encoding="utf-8").split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in section.splitlines()
        if line.startswith("| `")
    ]
    return {row[0].strip("`"): row for row in rows}


def sql_of_runbooks() -> Iterator[tuple[str, str]]:
    for page in ROOT.glob("docs/runbooks/*.md"):
        blocks = [
            block for language, block in FENCE.findall(page.read_text(encoding="utf-8")) if language == "sql"
        ]
        yield from ((f"{page.name}-{number}", block) for number, block in enumerate(blocks, start=1))


@on_documents
def test_every_relative_link_leads_somewhere(document: Path) -> None:
    for target, anchor in links(document):
        assert target.exists(), f"{target} is linked, but not there"
        if anchor:
            assert anchor in anchors(target), f"{target.name} has no heading for #{anchor}"


def test_every_picture_is_shown_and_small() -> None:
    shown = {target for document in DOCUMENTS for target, _ in links(document)}
    assert PICTURES
    for picture in PICTURES:
        assert picture in shown, f"{picture.name} stands in no document"
        assert picture.stat().st_size < 400_000


@on_documents
def test_every_command_exists(document: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    nolapse = set(typer.main.get_group(app).commands)
    assert commands(document, "make") <= targets
    assert commands(document, "nolapse") <= nolapse


def test_the_readme_names_the_two_commands() -> None:
    assert {"demo", "test", "up"} <= commands(ROOT / "README.md", "make")
    assert "import" in commands(ROOT / "README.md", "nolapse")


def test_every_function_stands_in_the_architecture_with_its_timeout_and_dead_letters() -> None:
    documented = table(ROOT / "docs/architecture.md", "Functions")
    assert documented.keys() == FUNCTIONS.keys()
    for name, (_, _, _, timeout, dead_letters, _) in documented.items():
        function = FUNCTIONS[name]
        assert int(timeout) == function.get("Timeout", GLOBALS["Timeout"])
        assert dead_letters.strip("`") == dead_letter_queue(name)


def dead_letter_queue(function: str) -> str:
    properties = FUNCTIONS[function]
    if "EventInvokeConfig" in properties:
        arn = properties["EventInvokeConfig"]["DestinationConfig"]["OnFailure"]["Destination"]
        return str(arn["Fn::GetAtt"][0])
    queues = dict(TEMPLATE.resources("AWS::SQS::Queue"))
    for event in properties.get("Events", {}).values():
        if event["Type"] == "SQS":
            policy = queues[event["Properties"]["Queue"]["Fn::GetAtt"][0]]["RedrivePolicy"]
            return str(policy["deadLetterTargetArn"]["Fn::GetAtt"][0])
    return ""


def test_every_setting_stands_in_the_architecture() -> None:
    of_functions = (
        properties.get("Environment", {}).get("Variables", {}) for properties in FUNCTIONS.values()
    )
    variables = set(GLOBALS["Environment"]["Variables"]).union(*of_functions)
    fields = {name.upper() for name in Settings.model_fields}
    assert set(table(ROOT / "docs/architecture.md", "Settings")) == variables | fields


def test_every_field_of_a_register_stands_in_the_imports() -> None:
    assert list(table(ROOT / "docs/imports.md", "Fields")) == list(Field)


def test_every_dead_letter_queue_stands_in_a_runbook() -> None:
    queues = {name for name, _ in TEMPLATE.resources("AWS::SQS::Queue") if name.endswith("Dlq")}
    runbook = (ROOT / "docs/runbooks/dead-letters.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^## (\w+Dlq)", runbook, re.MULTILINE)) == queues


def test_decisions_are_numbered_without_gaps_and_listed() -> None:
    decisions = sorted(ROOT.glob("docs/adr/[0-9]*.md"))
    listed = [target for target, _ in links(ROOT / "docs/adr/README.md")]
    assert listed == decisions
    for number, decision in enumerate(decisions, start=1):
        said = decision.read_text(encoding="utf-8")
        assert decision.name.startswith(f"{number:04}-")
        assert said.startswith(f"# {number:04}. ")
        assert "**Rejected.**" in said


@pytest.mark.parametrize(
    "page",
    [*DOCUMENTS, *(picture for picture in PICTURES if picture.suffix == ".svg")],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_no_page_names_a_registry_or_a_place_on_one_machine(page: Path) -> None:
    said = page.read_text(encoding="utf-8")
    assert not [host for host in REGISTRIES if host in said]
    assert not MACHINE_PATH.search(said)


@pytest.mark.parametrize("sql", [pytest.param(sql, id=name) for name, sql in sql_of_runbooks()])
def test_the_sql_of_the_runbooks_runs_and_only_reads(sql: str, database: Database) -> None:
    with database.engine.begin() as connection:
        connection.execute(text("SET TRANSACTION READ ONLY"))
        connection.execute(text(sql)).all()
