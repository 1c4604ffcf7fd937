"""Access tokens as a user pool of the stack makes them: what they can't say as claims of ours, groups and scopes say.

https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-the-access-token.html
"""

from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from local.issuer import AUDIENCE
from local.template import Template, resolve
from nolapse.api.identity import Role
from tests.integration.api.conftest import Answer, Api

TEMPLATE = Template.load(Path(__file__).parents[3] / "template.yaml")
PEOPLE = "/v1/clinicians"


def ask(api: Api, tenant: UUID, method: str = "GET", body: Any = None, **claims: Any) -> Answer:
    """With a token as Cognito makes them; `groups` are a person's."""
    said: dict[str, Any] = {
        "aud": None,
        "roles": None,
        "tenant_id": None,
        "client_id": AUDIENCE,
        "token_use": "access",
        "username": str(uuid4()),
        "version": 2,
        "cognito:groups": claims.pop("groups", None),
        **claims,
    }
    return api.call(method, PEOPLE, api.token(tenant, **said), body)


def machine(tenant: UUID) -> dict[str, Any]:
    """What client credentials get: all that the client may ask for, where nothing is asked for."""
    client = dict(TEMPLATE.resources("AWS::Cognito::UserPoolClient"))["MachineClient"]
    scopes = resolve(client["AllowedOAuthScopes"], {"MachineTenantId": {"Ref": str(tenant)}})
    return {"sub": AUDIENCE, "scope": " ".join(scopes), "username": None}


def test_a_person_is_who_their_groups_say(api: Api, tenant: UUID) -> None:
    api.register.clinician(tenant)

    answer = ask(api, tenant, groups=[f"tenant:{tenant}", "Clinic"])

    assert (answer.status, len(answer.body["items"])) == (200, 1)


def test_a_physician_sees_the_records_of_their_user_name(api: Api, tenant: UUID) -> None:
    own, _other = api.register.clinician(tenant), api.register.clinician(tenant, "grace")
    groups = ["Physician", f"tenant:{tenant}"]

    shown = ask(api, tenant, groups=groups, username=str(own)).body["items"]

    assert [each["clinician_id"] for each in shown] == [str(own)]
    assert ask(api, tenant, groups=groups, username="ada").body["code"] == "NO_CLINICIAN"


def test_a_machine_is_what_its_scopes_say(api: Api, tenant: UUID) -> None:
    made = ask(api, tenant, "POST", {"external_id": "ada", "full_name": "Ada Lovelace"}, **machine(tenant))

    assert made.status == 201
    (actor,) = {actor for (actor,) in api.register.rows("SELECT actor FROM audit_log")}
    assert actor == f"clinic:{AUDIENCE}"


def test_a_person_s_scopes_make_them_nobody(api: Api, tenant: UUID) -> None:
    scopes = machine(tenant)["scope"]

    assert ask(api, tenant, scope=scopes).body["code"] == "NO_ROLE"
    assert ask(api, tenant, scope=scopes, groups=["Admin"]).body["code"] == "NO_TENANT"


@pytest.mark.parametrize(
    ("groups", "code"),
    [
        ([], "NO_ROLE"),
        (["tenant:{tenant}"], "NO_ROLE"),
        (["Clinic"], "NO_TENANT"),
        (["Clinic", "tenant:riverside"], "NO_TENANT"),
        (["Clinic", "tenant:{tenant}", "tenant:00000000-0000-0000-0000-000000000000"], "NO_TENANT"),
    ],
)
def test_what_groups_leave_open_is_refused(api: Api, tenant: UUID, groups: list[str], code: str) -> None:
    answer = ask(api, tenant, groups=[group.format(tenant=tenant) for group in groups])

    assert (answer.status, answer.body["code"]) == (403, code)


def test_another_issuer_s_scopes_and_groups_name_no_tenant(api: Api, tenant: UUID) -> None:
    """Its claims do: who may ask it for which scope is not known here."""
    token = api.token(
        tenant, Role.CLINIC, tenant_id=None, sub=AUDIENCE, client_id=AUDIENCE, scope=machine(tenant)["scope"]
    )

    assert api.call("GET", PEOPLE, token).body["code"] == "NO_TENANT"


def test_an_id_token_opens_nothing(api: Api, tenant: UUID) -> None:
    answer = ask(api, tenant, groups=["Clinic", f"tenant:{tenant}"], token_use="id", aud=AUDIENCE, scope=None)

    assert answer.status == 401
