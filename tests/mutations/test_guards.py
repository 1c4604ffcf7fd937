"""Every guard can still be taken out, and the test that must notice is still there; `make mutations` takes them out."""

import ast
import shutil
from pathlib import Path

import pytest

from tests.mutations.guards import GUARDS, ROOT, Guard

pytestmark = pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.name)


def test_it_stands_where_it_is_looked_for(guard: Guard, tmp_path: Path) -> None:
    copy = tmp_path / guard.path
    copy.parent.mkdir(parents=True)
    shutil.copyfile(ROOT / guard.path, copy)
    guard.apply(tmp_path)
    with pytest.raises(ValueError, match="stands 0 times"):
        guard.apply(tmp_path)
    if copy.suffix == ".py":
        ast.parse(copy.read_text())


def test_its_test_is_there(guard: Guard) -> None:
    path, *names = guard.tests.split("::")
    defined = {getattr(node, "name", None) for node in ast.walk(ast.parse((ROOT / path).read_text()))}
    assert defined.issuperset(names)
