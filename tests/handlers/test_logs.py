"""No name, address, number or licence in anything that a function writes, however it fails."""

import json
import re
import subprocess
import sys
from pathlib import Path

from local.stack import ROOT
from tests.integration.conftest import Register
from tests.integration.delivery.conftest import EXPIRES

CANARIES = ("Wilhelmina", "Quackenbush", "quackenbush", "5550142", "XQ-774411", "774411")
CONFIDENTIAL = "Wilhelmina Quackenbush, w.quackenbush@clinic.test, +12125550142, XQ-774411"
REGISTER = f"""\
person_id,Name,Email,Phone,License Number,License Type,State,Expiration Date
P-1,Wilhelmina Quackenbush,w.quackenbush@clinic.test,+12125550142,XQ-774411,RN,NY,{EXPIRES}
P-2,Wilhelmina Quackenbush,Wilhelmina Quackenbush,5550142,XQ-774411-2,RN,NY,Quackenbush
P-3,Wilhelmina Quackenbush,w.quackenbush@clinic.test,+12125550142,XQ-774411-3,RN,Quackenbush,{EXPIRES}
"""


def test_no_canary_in_anything_written(register: Register, tmp_path: Path) -> None:
    tenant = register.tenant()
    for number in range(8):
        person = register.clinician(
            tenant, f"Wilhelmina Quackenbush {number}", email=f"w.quackenbush{number}@clinic.test"
        )
        register.license(tenant, person, EXPIRES, number=f"XQ-774411-{number}")
    register.execute("UPDATE clinicians SET phone = '+12125550142'")
    register.plan()

    database = register.database
    run = subprocess.run(
        [sys.executable, "-m", "tests.handlers.canary_run", database.postgres.socket, database.name, tmp_path / "mail"],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip

    written = run.stdout + run.stderr
    assert run.returncode == 0, written
    for function in ("ScanFunction", "DispatchEmailFunction", "ImportRecordsFunction", "CatchUpFunction"):
        assert f"{function} " in written
    for trouble in (
        "queue.message_refused",
        "webhook.refused",
        "webhook.taken",
        "webhooks/twilio 200",
        "RegisterRefused",
        "23514",
        "withheld",
        "permission denied",
        "ApiFunction POST 201",
        "ApiFunction POST 409",
        "ApiFunction POST 422",
        "ApiFunction POST 400",
        "ApiFunction GET 401",
        "ApiFunction POST 500",
        "api.failed",
    ):
        assert trouble in written
    assert "probed_" in written
    leaks = [line for line in written.splitlines() if re.search("|".join(CANARIES), line)]
    assert leaks == []
    lines = [json.loads(line) for line in run.stdout.splitlines() if line.startswith('{"level"')]
    runs = {line["run_id"]: line["function"] for line in lines if line["message"] == "run.finished"}
    dispatched = {line["correlation_id"] for line in lines if line["message"] == "dispatch.finished"}
    assert {runs[each] for each in dispatched} == {"scan"}
