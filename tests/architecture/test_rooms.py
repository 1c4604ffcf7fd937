"""The rooms of the house: thin handlers, one reader of the environment, and no work at import."""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHARED = ROOT / "shared"
HANDLERS = sorted(ROOT.glob("functions/*/handler.py"))
MODULES = sorted(
    ".".join(path.relative_to(SHARED).with_suffix("").parts).removesuffix(".__init__")
    for path in (SHARED / "nolapse").rglob("*.py")
)
THIN = 60

# Imports modules in a process that has no environment, and that lets nothing out: no socket, no process, no file.
IMPORT = """
import importlib, json, sys, threading
def refuse(event, arguments):
    if event in {"socket.connect", "socket.bind", "socket.getaddrinfo", "subprocess.Popen", "os.mkdir"}:
        raise AssertionError(f"{event} at import")
    if event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+"):
        raise AssertionError(f"{arguments[0]} written at import")
sys.addaudithook(refuse)
for name in sys.argv[1:]:
    importlib.import_module(name)
assert threading.active_count() == 1, threading.enumerate()
print(json.dumps(sorted(sys.modules)))
"""


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")


def test_there_are_handlers() -> None:
    assert len(HANDLERS) >= 7


@pytest.mark.parametrize("handler", HANDLERS, ids=lambda path: path.parent.name)
def test_a_handler_is_thin_stands_alone_and_imports_no_sibling(handler: Path) -> None:
    assert len(handler.read_text(encoding="utf-8").splitlines()) <= THIN
    assert [path.name for path in handler.parent.iterdir() if path.suffix == ".py"] == ["handler.py"]
    ours = {name for name in imported(handler) if name.partition(".")[0] not in sys.stdlib_module_names}
    assert ours
    assert all(name.startswith("nolapse.") for name in ours)


def loaded_by(*modules: str) -> set[str]:
    """What is in memory after a fresh process imported `modules`."""
    process = subprocess.run(
        [sys.executable, "-B", "-c", IMPORT, *modules],
        env={"PYTHONPATH": str(SHARED)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    return set(json.loads(process.stdout))


def test_no_module_does_work_at_import() -> None:
    assert len(MODULES) > 60
    assert loaded_by(*MODULES) >= set(MODULES)


@pytest.mark.parametrize(
    ("module", "spared"),
    [
        ("nolapse.domain.calendar", {"boto3", "sqlalchemy", "pydantic", "aws_lambda_powertools"}),
        ("nolapse.planning.reconcile", {"boto3", "sendgrid", "jinja2", "pydantic", "zipcodes"}),
        ("nolapse.delivery.scan", {"boto3", "sendgrid", "jinja2"}),
        ("nolapse.delivery.catch_up", {"boto3", "sendgrid", "jinja2"}),
        ("nolapse.delivery.dispatch", {"boto3", "sendgrid", "jinja2", "holidays", "nolapse.domain.calendar"}),
        (
            "nolapse.runtime.http",
            {
                "sendgrid",
                "twilio",
                "msal",
                "zipcodes",
                "icalendar",
                "jinja2",
                "sqlalchemy.dialects.postgresql",
                "nolapse.api.licenses",
                "nolapse.messages.schemas",
                "nolapse.planning.policies",
            },
        ),
        ("nolapse.api.licenses", {"nolapse.api.medications", "nolapse.planning.timeline", "dateutil.rrule"}),
        ("nolapse.runtime.runs", {"sendgrid", "zipcodes", "aws_lambda_powertools.event_handler"}),
        ("nolapse.runtime.bootstrap", {"nolapse.delivery", "nolapse.domain.links"}),
    ],
)
def test_nobody_pays_for_what_another_needs(module: str, spared: set[str]) -> None:
    assert not spared & loaded_by(module)


@pytest.mark.parametrize("module", sorted((SHARED / "nolapse").rglob("*.py")), ids=lambda path: path.stem)
def test_the_settings_read_the_environment_and_nobody_else(module: Path) -> None:
    tree = ast.parse(module.read_text(encoding="utf-8"))
    used = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    used |= {name.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for name in node.names}
    reads = bool(used & {"environ", "environb", "getenv", "getenvb"})
    # The package itself asks whether it is just being imported by Lambda, before there are settings.
    assert reads == (
        module.relative_to(SHARED / "nolapse").as_posix() in {"runtime/settings.py", "__init__.py"}
    )
