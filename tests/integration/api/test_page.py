"""Every call that docs/api.md shows, made as a shell would make it."""

import re
import shlex
from datetime import date
from itertools import pairwise
from pathlib import Path
from string import Template

import pytest

from nolapse.api.identity import Role
from nolapse.api.permissions import ANYBODY, ROUTES
from tests.integration.api.conftest import Api
from tests.integration.conftest import DAILY

PAGE = (Path(__file__).parents[3] / "docs" / "api.md").read_text(encoding="utf-8")
CALLS = re.findall(r"^\$ (curl .*)$", PAGE, re.MULTILINE)


def test_there_is_one_for_every_route() -> None:
    assert len(CALLS) == len([roles for roles in ROUTES.values() if roles is not ANYBODY])


@pytest.mark.parametrize(
    "shown", CALLS, ids=lambda call: " ".join(re.findall(r"-X (\w+)|NOLAPSE([^\"]*)", call)[0])
)
def test_it_does_what_it_says(api: Api, shown: str) -> None:
    tenant = api.register.tenant()
    clinician = api.register.clinician(tenant)
    licence = api.register.license(tenant, clinician, date(2027, 1, 31))
    medication = api.register.prescribe(clinician, DAILY)
    ((key,),) = api.register.rows(
        "SELECT encode(idempotency_key, 'hex') FROM notification_schedule WHERE event = 'PRIMARY'"
    )
    ids = {"CLINICIAN": clinician, "LICENSE": licence, "MEDICATION": medication, "KEY": key}
    # What a shell puts in place of variables stands outside of single quotes, which shlex takes away.
    words = shlex.split(Template(shown).safe_substitute(ids, NOLAPSE="", TOKEN=api.token(tenant, Role.ADMIN)))

    options = dict(pairwise(words))
    path = next(word for word in words if word.startswith("/v1/"))
    headers = {
        name.lower(): value
        for word in words
        if re.match(r"[A-Z][A-Za-z-]+: ", word)
        for name, value in [word.split(": ", 1)]
    }
    answer = api.call(options.get("-X", "GET"), path, None, options.get("-d"), **headers)

    assert answer.status in {200, 201}, (shown, answer.body)
