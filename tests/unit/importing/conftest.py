"""Registers written by the tests themselves, and the real ones where they lie beside the project."""

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

REGISTERS = Path(__file__).resolve().parents[4] / "shared" / "data"

WriteRegister = Callable[..., Path]


@pytest.fixture
def write_register(tmp_path: Path) -> WriteRegister:
    def write(content: str | bytes, name: str = "register.csv", *, zipped: bool = False) -> Path:
        data = content.encode() if isinstance(content, str) else content
        path = tmp_path / name
        path.write_bytes(gzip.compress(data) if zipped else data)
        return path

    return write


@pytest.fixture
def registers() -> Path:
    if not REGISTERS.is_dir():
        pytest.skip("the real registers do not lie beside the project")
    return REGISTERS
