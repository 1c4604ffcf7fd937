"""Policies out of parsed files: all the problems of all of them, each with its file, its field and what to do."""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from nolapse.planning.policies.document import PolicyDocument, StepDocument, WindowDocument
from nolapse.planning.policies.errors import PolicyRefused, Problem

FIELDS = [
    field for document in (PolicyDocument, WindowDocument, StepDocument) for field in document.model_fields
]


def read_policies(files: Mapping[str, Any]) -> list[PolicyDocument]:
    """`files`: what each file holds, by its name. PolicyRefused where anything is wrong in any of them."""
    documents: dict[str, PolicyDocument] = {}
    problems: list[Problem] = []
    for file, content in files.items():
        try:
            documents[file] = PolicyDocument.model_validate(content)
        except ValidationError as error:
            problems.extend(_problem(file, details) for details in error.errors())
    problems.extend(_rivals(documents))
    if problems:
        raise PolicyRefused(problems)
    return list(documents.values())


def _problem(file: str, details: ErrorDetails) -> Problem:
    path = ""
    for part in details["loc"]:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else part
    match details["type"]:
        case "missing":
            said = "is missing: add it"
        case "extra_forbidden":
            near = get_close_matches(str(details["loc"][-1]), FIELDS, n=1)
            said = "is no field here" + (f": did you mean {near[0]}?" if near else ": remove it")
        case "value_error":
            said = str(details["ctx"]["error"])
        case "model_type":
            said = "must be a table of fields and values"
        case _:
            said = f"is {details['input']!r}: {details['msg'].replace('Input should', 'it should')}"
    return Problem(file, path or "policy", said)


def _rivals(documents: Mapping[str, PolicyDocument]) -> Iterator[Problem]:
    """Files that say the same name, or something about the same kind of date."""
    names: dict[Any, str] = {}
    keys: dict[Any, str] = {}
    for file, document in documents.items():
        name = (document.tenant, document.name)
        if names.setdefault(name, file) != file:
            yield Problem(file, "name", f"{document.name} is the name of {names[name]} too: choose another")
        if keys.setdefault(document.key, file) != file:
            yield Problem(
                file, "policy", f"is for the very dates that {keys[document.key]} is for: merge the two"
            )
