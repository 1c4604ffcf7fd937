"""The schema that the code asks for is the last one there is."""

from pathlib import Path

from nolapse.storage.schema import HEAD

VERSIONS = Path(__file__).parents[2] / "migrations" / "versions"


def test_head_is_the_last_migration() -> None:
    assert max(path.name.split("_")[0] for path in VERSIONS.glob("[0-9]*.py")) == HEAD
