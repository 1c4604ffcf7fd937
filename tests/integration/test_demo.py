"""`nolapse demo` as its user runs it: a process of its own on a register, to its end or killed on the way."""

import csv
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import pytest

from local import sample_register
from local.demo import Files
from local.doubles.sendgrid import SendGridDouble
from local.stack import ROOT

ROWS = 150
NOLAPSE = "import sys; from cli.main import app; sys.argv[0] = 'nolapse'; app()"


@pytest.fixture
def register(tmp_path: Path) -> Path:
    path = tmp_path / "register.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, sample_register.COLUMNS)
        writer.writeheader()
        writer.writerows(islice(sample_register.rows(), ROWS))
        # A row that no import takes.
        writer.writerow(next(sample_register.rows()) | {"license_number": ""})
    return path


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path / "home")


def start(register: Path, files: Files) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", NOLAPSE, "demo", "--data", register, "--from", "2026-10-26"],
        env={**os.environ, "NOLAPSE_HOME": str(files.home), "COLUMNS": "120"},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT,
    )  # fmt: skip


def finish(process: subprocess.Popen[str]) -> str:
    output, _ = process.communicate(timeout=240)
    assert process.returncode == 0, output
    return output


def assert_proof_holds(output: str, files: Files) -> None:
    lines = [line.split("│")[2:4] for line in output.splitlines() if line.startswith("│")]
    said = {what.strip(): count.strip() for count, what in (line for line in lines if len(line) == 2)}
    for nothing in (
        "✓ missed",
        "✓ duplicates",
        "✓ outside the recipient's window or in quiet hours",
        "✓ late ones too close together for one person",
        "✓ that nothing called for",
    ):
        assert said[nothing] == "0"
    assert "audit entries, chain unbroken" in said
    assert {count for what, count in said.items() if what.startswith("drift in ")} == {"0"}
    received = SendGridDouble(files.mail, lambda: datetime.now(UTC)).messages()
    assert int(said["arrived at the provider"]) == int(said["due, recomputed by the pure-Python twin"]) > 20
    assert Counter(email.key for email in received).most_common(1)[0][1] == 1


def test_a_register_of_ones_own(register: Path, files: Files) -> None:
    output = finish(start(register, files))

    assert_proof_holds(output, files)
    assert f"of {ROWS + 1} rows read" in output
    assert "license_number is blank" in output
    assert "license_number" in files.rejects.read_text()
    index = (files.mailbox / "index.html").read_text()
    assert "@clinicians.example.test" in index
    assert (files.mailbox / "messages" / "00001.html").exists()
    assert not (files.home / "postgres" / "postmaster.pid").exists(), "PostgreSQL outlived the demo"


def test_killed_on_the_way_it_loses_and_doubles_nothing(register: Path, files: Files) -> None:
    """SIGKILL at five moments of the log's growth, the third time PostgreSQL and all."""
    dice = random.Random(5)
    for number in range(5):
        process = start(register, files)
        _wait_for_growth(files.log, dice.randint(1, 40_000), process)
        time.sleep(dice.uniform(0, 0.2))
        process.kill()
        process.communicate()
        if number == 2:
            _kill_postgres(files)

    output = finish(start(register, files))

    assert "An earlier run was cut off" in output
    assert_proof_holds(output, files)
    assert not (files.home / "postgres" / "postmaster.pid").exists(), "PostgreSQL outlived the demo"


def _wait_for_growth(log: Path, growth: int, process: subprocess.Popen[str]) -> None:
    """`growth` in bytes; a fortnight writes some 250,000."""
    enough = _size(log) + growth
    deadline = time.monotonic() + 60
    while _size(log) < enough and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert process.poll() is None, process.communicate()[0]


def _size(log: Path) -> int:
    return log.stat().st_size if log.exists() else 0


def _kill_postgres(files: Files) -> None:
    postmaster = int((files.home / "postgres" / "postmaster.pid").read_text().splitlines()[0])
    os.kill(postmaster, signal.SIGKILL)
    # Until whoever adopted it has seen it die, its data directory counts as taken.
    deadline = time.monotonic() + 30
    while Path("/proc", str(postmaster)).exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
