"""Registers written by the tests themselves."""

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

WriteRegister = Callable[..., Path]


@pytest.fixture
def write_register(tmp_path: Path) -> WriteRegister:
    def write(content: str | bytes, name: str = "register.csv", *, zipped: bool = False) -> Path:
        data = content.encode() if isinstance(content, str) else content
        path = tmp_path / name
        path.write_bytes(gzip.compress(data) if zipped else data)
        return path

    return write
