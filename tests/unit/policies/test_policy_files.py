"""policies/*.yaml: how they are read, and that those of this repository are right."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app
from cli.policy_files import read_folder
from local.stack import ROOT
from nolapse.planning.policies.errors import PolicyRefused
from nolapse.planning.policies.reading import read_policies


def refused(folder: Path) -> list[tuple[str, str, str]]:
    with pytest.raises(PolicyRefused) as error:
        read_folder(folder)
    return [(file, field, said) for file, field, said in error.value.problems]


def test_the_policies_of_this_repository_are_valid() -> None:
    documents = read_policies(read_folder(ROOT / "policies"))

    names = {path.stem for path in (ROOT / "policies").glob("*.yaml")}
    assert {document.name for document in documents} == names >= {"default", "birthday", "anniversary"}


def test_times_and_words_are_texts_and_numbers_are_numbers(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(
        "opens: 12:00\nstate: NO\nswitch: on\ndays: -7\nzero: 0\nnone: null\nempty:\n"
    )

    assert read_folder(tmp_path) == {
        "a.yaml": {
            "opens": "12:00", "state": "NO", "switch": "on", "days": -7, "zero": 0, "none": None, "empty": None,
        }
    }  # fmt: skip


def test_a_key_that_stands_twice_is_refused_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("window:\n  opens: 08:00\n  opens: 09:00\n")

    assert refused(tmp_path) == [("a.yaml", "line 3", "is no YAML: opens stands there twice")]


def test_broken_files_are_all_named(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("steps: [\n")
    (tmp_path / "b.yaml").write_bytes(b"name: \xff\n")
    (tmp_path / "c.yaml").write_text("name: fine\n")
    (tmp_path / "d.yaml").write_text("when: !!python/object:os.system x\n")

    assert [file for file, _, _ in refused(tmp_path)] == ["a.yaml", "b.yaml", "d.yaml"]


def test_a_folder_is_checked_without_a_database(tmp_path: Path) -> None:
    (tmp_path / "ny-md.yaml").write_text("name: ny-md\noccasion: LICENSE_EXPIRY\nsteps: []\n")

    result = CliRunner().invoke(app, ["policy", "load", str(tmp_path), "--check"])

    assert result.exit_code == 1
    assert "ny-md.yaml: window: is missing: add it" in result.output
    assert "ny-md.yaml: steps: " in result.output
    right = CliRunner().invoke(app, ["policy", "load", "--check"])
    assert (right.exit_code, "policies are valid" in right.output) == (0, True)
