"""Every call that docs/api.md shows, made as a shell would make it."""

import re
import shlex
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from string import Template

import pytest

from local.postgres import Postgres
from nolapse.api.identity import Role
from nolapse.api.permissions import ANYBODY, ROUTES
from tests.conftest import Database, cloned
from tests.integration.api.conftest import Api, Kept

PAGE = (Path(__file__).parents[3] / "docs" / "api.md").read_text(encoding="utf-8")
CALLS = re.findall(r"^\$ (curl .*)$", PAGE, re.MULTILINE)


def test_there_is_one_for_every_route() -> None:
    assert len(CALLS) == len([roles for roles in ROUTES.values() if roles is not ANYBODY])


@pytest.fixture
def database(postgres: Postgres, kept: Kept) -> Iterator[Database]:
    with cloned(postgres, kept.name) as made:
        yield made


@pytest.mark.parametrize(
    "shown", CALLS, ids=lambda call: " ".join(re.findall(r"-X (\w+)|NOLAPSE([^\"]*)", call)[0])
)
def test_it_does_what_it_says(api: Api, kept: Kept, shown: str) -> None:
    ids = {name.removesuffix("_id").upper(): value for name, value in kept.ids.items()}
    token = api.token(kept.tenant, Role.ADMIN)
    if "/rollback" in shown:
        api.call("POST", f"/v1/policies/{ids['POLICY']}/activate", token, {"version": 2})
    # What a shell puts in place of variables stands outside of single quotes, which shlex takes away.
    words = shlex.split(Template(shown).safe_substitute(ids, NOLAPSE="", TOKEN=token))

    options = dict(pairwise(words))
    path = next(word for word in words if word.startswith("/"))
    headers = {
        name.lower(): value
        for word in words
        if re.match(r"[A-Z][A-Za-z-]+: ", word)
        for name, value in [word.split(": ", 1)]
    }
    answer = api.call(options.get("-X", "GET"), path, None, options.get("-d"), **headers)

    assert answer.status in {200, 201}, (shown, answer.body)
