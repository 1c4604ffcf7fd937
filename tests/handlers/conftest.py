"""The functions of template.yaml as the local stack runs them; see tests/integration/delivery/conftest.py."""

import json
from pathlib import Path
from typing import Any

from local.stack import ROOT
from tests.integration.conftest import register
from tests.integration.delivery.conftest import delivery

__all__ = ["delivery", "register"]

EVENTS = ROOT / "events"


def load(event: str) -> Any:
    return json.loads(Path(EVENTS, f"{event}.json").read_text(encoding="utf-8"))
