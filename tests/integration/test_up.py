"""`nolapse up` as its user runs it: a register imported, its reminder in the mailbox, Ctrl-C, nothing left behind."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from local.stack import ROOT

NOLAPSE = "import sys; from cli.main import app; sys.argv[0] = 'nolapse'; app()"
SECONDS = 150


@pytest.fixture
def home() -> Iterator[Path]:
    # Not below pytest's own folder: every session makes that private again, and the server runs as another user.
    with TemporaryDirectory(prefix="nolapse-up-") as folder:
        yield Path(folder, "home")


def command(home: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", NOLAPSE, *arguments],
        env={**os.environ, "NOLAPSE_HOME": str(home), "COLUMNS": "200"},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT, start_new_session=True,
    )  # fmt: skip


def run(home: Path, *arguments: str) -> str:
    process = command(home, *arguments)
    output, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, output
    return output


@pytest.fixture
def stack(home: Path) -> Iterator[subprocess.Popen[str]]:
    run(home, "migrate", "--yes")
    process = command(home, "up", "--port", "0")
    yield process
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def a_register_with_a_reminder_due_now(tmp_path: Path) -> tuple[Path, str]:
    """Somewhere it is about ten in the morning. The SECONDARY reminder leaves 30 days before a licence expires."""
    ahead = 10 - datetime.now(UTC).hour
    if ahead < -12:  # there are zones up to twelve hours behind
        ahead += 24
    zone = f"Etc/GMT{-ahead:+d}" if ahead else "Etc/GMT"  # POSIX counts westwards
    today = (datetime.now(UTC) + timedelta(hours=ahead)).date()
    path = tmp_path / "register.csv"
    path.write_text(
        "Name,Email,License Number,License Type,State,Expiration Date\n"
        f"Ada Lovelace,ada@clinic.test,RN-1234567,RN,NY,{today + timedelta(days=30)}\n"
    )
    return path, zone


def page(url: str, token: str = "", body: bytes | None = None, method: str | None = None) -> tuple[int, str]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    if body:
        headers["Content-Type"] = "application/json" if token else "text/csv"
    request = Request(url, body, headers, method=method)  # noqa: S310  loopback
    try:
        with urlopen(request, timeout=10) as answer:  # noqa: S310  loopback
            return answer.status, answer.read().decode()
    except HTTPError as error:
        return error.code, error.read().decode()


def address(stack: subprocess.Popen[str]) -> str:
    assert stack.stdout
    for line in stack.stdout:
        if found := re.search(r"(http://127\.0\.0\.1:\d+)/health", line):
            return found[1]
    raise AssertionError(stack.wait())


def wait_for(url: str, text: str) -> None:
    deadline = time.monotonic() + SECONDS
    while text not in page(url)[1]:
        assert time.monotonic() < deadline, page(url)
        time.sleep(0.5)


def upload(url: str, token: str, register: bytes) -> Any:
    """By the API and its link, as a clinic's own system would; the job once it is over."""
    asked, awaited = page(f"{url}/v1/imports", token, b'{"file_name": "by the link.csv"}')
    assert asked == 201, awaited
    job = json.loads(awaited)
    assert page(job["upload"]["url"], body=register, method="PUT") == (200, "")
    deadline = time.monotonic() + SECONDS
    while job["status"] not in {"DONE", "FAILED"}:
        assert time.monotonic() < deadline, job
        time.sleep(0.5)
        job = json.loads(page(f"{url}/v1/imports/{job['import_id']}", token)[1])
    return job


def survivors(group: int) -> list[str]:
    """Command lines of a process group's members, once they had a moment to follow their leader."""
    deadline = time.monotonic() + 5
    while (members := list(_members(group))) and time.monotonic() < deadline:
        time.sleep(0.1)
    return members


def _members(group: int) -> Iterator[str]:
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            state, _parent, process_group = (process / "stat").read_text().rpartition(")")[2].split()[:3]
            if int(process_group) == group and state != "Z":
                yield (process / "cmdline").read_text().replace("\0", " ")


def test_a_reminder_that_is_due_arrives_and_ctrl_c_ends_everything(
    home: Path, tmp_path: Path, stack: subprocess.Popen[str]
) -> None:
    url = address(stack)
    register, zone = a_register_with_a_reminder_due_now(tmp_path)
    tenant = ("--tenant", "clinic", "--timezone", zone, "--contact", "desk@clinic.test")
    assert "imported" in run(home, "import", str(register), "--yes", *tenant, "--map", f"timezone=={zone}")

    wait_for(f"{url}/mailbox/", "ada@clinic.test")
    assert page(f"{url}/health") == (
        200,
        '{"status":"ok","checks":{"database":"ok","schema":"ok","queue":"ok","zone_data":"ok","scan":"ok","providers":"ok"}}',
    )
    assert page(f"{url}/no-such-page")[0] == 404
    assert page(f"{url}/v1/licenses")[0] == 401
    token = run(home, "token", "--tenant", "clinic", "--read-only").strip()
    status, listed = page(f"{url}/v1/licenses", token)
    assert (status, json.loads(listed)["items"][0]["license_number"]) == (200, "RN-1234567")

    token = run(home, "token", "--tenant", "clinic").strip()
    rows = (
        register.read_text().replace("RN-1234567", "RN-7654321") + "Bo Day,bo@clinic.test,RN-2,RN,NY,soon\n"
    )
    job = upload(url, token, rows.encode())
    assert (job["status"], job["counts"]["imported"], job["counts"]["rejected"]) == ("DONE", 1, 1)
    link = json.loads(page(f"{url}/v1/imports/{job['import_id']}/rejects", token)[1])
    wait_for(link["url"], "is not a date")
    assert "RN-7654321" in page(f"{url}/v1/licenses", token)[1]
    refused = upload(url, token, b"Ada\nGrace\n")
    assert (refused["status"], refused["failure"]) == ("FAILED", "FieldNotFound")

    os.killpg(stack.pid, signal.SIGINT)  # as a terminal's Ctrl-C: to every process of the group
    output, _ = stack.communicate(timeout=60)

    assert (stack.returncode, "stopped" in output) == (0, True), output
    assert survivors(stack.pid) == []
    assert not (home / "postgres" / "postmaster.pid").exists(), "PostgreSQL outlived the stack"


def test_before_the_migrations_it_says_what_is_missing(home: Path) -> None:
    process = command(home, "up", "--port", "0")
    output, _ = process.communicate(timeout=SECONDS)

    assert process.returncode == 1
    assert "nolapse migrate" in output
    assert "Traceback" not in output


@pytest.mark.parametrize("arguments", [("resend",), ("holds", "list"), ("token", "--tenant", "clinic")])
def test_before_the_migrations_no_command_makes_a_database(home: Path, arguments: tuple[str, ...]) -> None:
    process = command(home, *arguments)
    output, _ = process.communicate(timeout=SECONDS)

    assert process.returncode == 1
    assert output == "✗ the local stack has no database yet: nolapse migrate --yes\n"
