"""policies/*.yaml as plain data, read by the rules of YAML 1.2: 12:00 is a text, and so are on, off, yes and no."""

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from nolapse.planning.policies.errors import PolicyRefused, Problem


class DuplicateKey(yaml.MarkedYAMLError):
    def __init__(self, key: Hashable, mark: yaml.Mark) -> None:
        super().__init__(problem=f"{key} stands there twice", problem_mark=mark)


class PolicyLoader(yaml.SafeLoader):
    """What of the core schema a policy can hold (https://yaml.org/spec/1.2.2/#103-core-schema); no key twice."""

    yaml_implicit_resolvers = {  # noqa: RUF012  PyYAML's own way: by first character
        "~": [("tag:yaml.org,2002:null", re.compile(r"^~$"))],
        "t": [("tag:yaml.org,2002:bool", re.compile(r"^true$"))],
        "f": [("tag:yaml.org,2002:bool", re.compile(r"^false$"))],
        "n": [("tag:yaml.org,2002:null", re.compile(r"^null$"))],
        "": [("tag:yaml.org,2002:null", re.compile(r"^$"))],
        **{
            character: [("tag:yaml.org,2002:int", re.compile(r"^[-+]?(0|[1-9][0-9]*)$"))]
            for character in "-+0123456789"
        },
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = str(key_node.value)
            if key in seen:
                raise DuplicateKey(key, key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


def read_folder(folder: Path) -> dict[str, Any]:
    """What every *.yaml of the folder holds, by file name; PolicyRefused where one is no YAML."""
    files: dict[str, Any] = {}
    problems = []
    for path in sorted(folder.glob("*.yaml")):
        try:
            files[path.name] = yaml.load(path.read_text(encoding="utf-8"), PolicyLoader)  # noqa: S506  safe
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            place = f"line {mark.line + 1}" if mark else "policy"
            problems.append(Problem(path.name, place, f"is no YAML: {error.problem}"))
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            problems.append(Problem(path.name, "policy", f"is no YAML: {error}"))
    if problems:
        raise PolicyRefused(problems)
    return files
