"""While Lambda initialises a function nobody looks for garbage; from its first invocation on somebody does."""

import json
import subprocess
import sys
from collections.abc import Mapping

import pytest

from tests.architecture.test_settings import COMPLETE, ROOT

LOOKED_FOR = """
import gc, json
import handler
imported = gc.isenabled()
from nolapse.runtime.bootstrap import runtime
runtime()
print(json.dumps([imported, gc.isenabled(), gc.get_freeze_count() > 0]))
"""


@pytest.mark.parametrize(
    ("sets", "looked_for"),
    [({"AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand"}, [False, True, True]), ({}, [True, True, False])],
    ids=["in Lambda", "elsewhere"],
)
def test_garbage_is_looked_for_once_all_is_imported(sets: Mapping[str, str], looked_for: list[bool]) -> None:
    process = subprocess.run(
        [sys.executable, "-B", "-c", LOOKED_FOR],
        env={**COMPLETE, **sets, "PYTHONPATH": f"{ROOT / 'shared'}:{ROOT / 'functions/scan'}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(process.stdout) == looked_for
