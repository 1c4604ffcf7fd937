"""What every request passes: who asks, how large, how often; and what every answer carries."""

import base64
import hmac
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from local.issuer import AUDIENCE, ISSUER
from local.postgres import Postgres
from nolapse.api.front import MOST_BODY_BYTES, MOST_HEADER_BYTES
from nolapse.api.identity import Role
from nolapse.api.pace import Pace
from nolapse.api.permissions import NEVER
from nolapse.oversight.maintenance import maintain
from tests.integration.api.conftest import ORIGIN, Api
from tests.integration.conftest import RETENTION

PEOPLE = "/v1/clinicians"
BODY = {"external_id": "ada", "full_name": "Ada Lovelace"}


class TestErrors:
    def test_have_one_shape(self, api: Api, staff: str) -> None:
        answer = api.call("GET", f"{PEOPLE}/{uuid4()}", staff, x_correlation_id="from-the-caller.1")

        assert answer.headers["content-type"] == "application/json"
        timestamp = answer.body.pop("timestamp")
        assert datetime.fromisoformat(timestamp).tzinfo
        assert answer.body == {
            "error": "Not Found",
            "message": "there is no such clinician",
            "code": "NOT_FOUND",
            "correlationId": "from-the-caller.1",
            "fields": [],
        }

    @pytest.mark.parametrize(
        ("asked", "status", "code"),
        [
            (("GET", "/nowhere"), 404, "NOT_FOUND"),
            (("GET", "/v1/nowhere"), 404, "NOT_FOUND"),
            (("PUT", PEOPLE), 405, "METHOD_NOT_ALLOWED"),
            (("POST", "/health"), 405, "METHOD_NOT_ALLOWED"),
            (("GET", f"{PEOPLE}/no-uuid"), 422, "INVALID"),
            (("GET", f"{PEOPLE}?limit=201"), 422, "INVALID"),
            (("GET", f"{PEOPLE}?sort=email"), 422, "INVALID"),
            (("GET", f"{PEOPLE}?external_id=%00"), 400, "BAD_REQUEST"),
        ],
    )
    def test_everywhere(self, api: Api, staff: str, asked: tuple[str, str], status: int, code: str) -> None:
        answer = api.call(*asked, staff)

        assert (answer.status, answer.body["code"]) == (status, code)
        assert answer.body.keys() == {"error", "message", "code", "correlationId", "timestamp", "fields"}

    def test_405_says_what_is_allowed(self, api: Api, staff: str) -> None:
        assert api.call("PUT", PEOPLE, staff).headers["allow"] == "GET, POST"

    def test_a_defect_of_ours_says_nothing_and_is_logged_without_values(self, api: Api, staff: str) -> None:
        with api.register.database.owner.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE clinicians RENAME COLUMN full_name TO name")

        answer = api.call("GET", PEOPLE, staff)

        assert (answer.status, answer.body["code"]) == (500, "INTERNAL")
        assert "column" not in json.dumps(answer.body)
        (failed,) = [fields for event, fields in api.log if event == "api.failed"]
        assert failed["correlation_id"] == answer.body["correlationId"]
        assert failed["kind"] == "ProgrammingError"

    def test_a_database_out_of_reach_is_503(self, api: Api, staff: str, tmp_path: Path) -> None:
        api.front.engine = Postgres(str(tmp_path), None).engine("nowhere", "nolapse_api")

        answer = api.call("GET", PEOPLE, staff)

        assert (answer.status, answer.headers["retry-after"]) == (503, "30")


class TestAnswers:
    @pytest.mark.parametrize("path", [PEOPLE, "/v1/nowhere", "/nowhere", "/health/live", "/api/seed"])
    def test_carry_the_headers_that_keep_browsers_from_harm(self, api: Api, staff: str, path: str) -> None:
        headers = api.call("GET", path, staff).headers

        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert headers["strict-transport-security"] == "max-age=31536000"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["x-correlation-id"]

    @pytest.mark.parametrize("given", ["", "a b", "x" * 65, "id\u00e9"])
    def test_a_correlation_id_that_is_none_is_replaced(self, api: Api, staff: str, given: str) -> None:
        answer = api.call("GET", PEOPLE, staff, x_correlation_id=given)

        assert UUID(answer.headers["x-correlation-id"])

    def test_what_was_seen_already_is_not_sent_again(self, api: Api, staff: str) -> None:
        made = api.call("POST", PEOPLE, staff, BODY)

        answer = api.call("GET", made.headers["location"], staff, if_none_match=made.etag)

        assert (answer.status, answer.body, answer.etag) == (304, "", made.etag)

    @pytest.mark.parametrize("path", [PEOPLE, "/v1/nowhere"])
    @pytest.mark.parametrize("with_token", [True, False])
    def test_only_known_origins_may_read(self, api: Api, staff: str, path: str, with_token: bool) -> None:
        token = staff if with_token else None
        allowed = api.call("GET", path, token, origin=ORIGIN).headers
        refused = api.call("GET", path, token, origin="https://elsewhere.test").headers

        assert allowed["access-control-allow-origin"] == ORIGIN
        assert "ETag" in allowed["access-control-expose-headers"]
        assert "access-control-allow-origin" not in refused

    def test_a_preflight_needs_no_token(self, api: Api) -> None:
        answer = api.call("OPTIONS", PEOPLE, origin=ORIGIN, access_control_request_method="POST")

        assert (answer.status, answer.headers["access-control-allow-origin"]) == (204, ORIGIN)
        assert "If-Match" in answer.headers["access-control-allow-headers"]

    def test_every_request_is_logged_by_its_route(self, api: Api, staff: str) -> None:
        answer = api.call("GET", f"{PEOPLE}/{uuid4()}", staff)

        event, fields = api.log[-1]
        assert (event, fields["route"], fields["status"]) == ("api.request", f"{PEOPLE}/<clinician_id>", 404)
        assert fields["correlation_id"] == answer.headers["x-correlation-id"]


class TestRequests:
    @pytest.mark.parametrize(
        "kind", ["text/plain", "application/xml", "application/json; charset=latin-1", ""]
    )
    def test_bodies_are_json(self, api: Api, staff: str, kind: str) -> None:
        answer = api.call("POST", PEOPLE, staff, BODY, content_type=kind)

        assert (answer.status, answer.body["code"]) == (415, "UNSUPPORTED_MEDIA_TYPE")

    @pytest.mark.parametrize("body", ["{", "[" * 200_000, '{"full_name": "\udcff"}'])
    def test_what_is_no_json(self, api: Api, staff: str, body: str) -> None:
        text = body.encode(errors="surrogateescape").decode(errors="replace") if "\udcff" in body else body
        answer = api.call("POST", PEOPLE, staff, text)

        assert answer.status in {400, 422}

    @pytest.mark.parametrize("body", [None, "[]", json.dumps([BODY]), '"text"', "null", "3", "{}"])
    def test_what_is_no_record(self, api: Api, staff: str, body: str | None) -> None:
        assert api.call("POST", PEOPLE, staff, body).status == 422

    def test_have_their_limits(self, api: Api, staff: str) -> None:
        long = api.call("POST", PEOPLE, staff, {**BODY, "full_name": "a" * MOST_BODY_BYTES})
        wide = api.call("GET", PEOPLE, staff, x_wide="a" * MOST_HEADER_BYTES)

        assert (long.status, wide.status) == (413, 431)

    @pytest.mark.parametrize("path", sorted(NEVER))
    @pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
    def test_that_would_empty_or_fill_a_base_are_refused(
        self, api: Api, staff: str, path: str, method: str
    ) -> None:
        answer = api.call(method, path, staff)

        assert (answer.status, answer.body["code"]) == (403, "NEVER")


def forged(claims: dict[str, Any], **headers: Any) -> str:
    """Signed with a key of the forger's own."""
    return jwt.encode(claims, ec.generate_private_key(ec.SECP256R1()), algorithm="ES256", headers=headers)


def confused(claims: dict[str, Any], public_key: str) -> str:
    """Signed with the issuer's public key as if it were a shared secret; PyJWT would not do that for us."""
    parts = ({"alg": "HS256", "kid": "local"}, {**claims, "iat": 0, "exp": 4_000_000_000})
    said = b".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in parts)
    signature = hmac.digest(public_key.encode(), said, "sha256")
    return (said + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")).decode()


class TestTokens:
    @pytest.mark.parametrize(
        "claims",
        [
            {"iss": "https://elsewhere.test"},
            {"aud": "another"},
            {"aud": None},
            {"sub": None},
            {"sub": "a b"},
            {"iat": None},
            {"exp": 1_700_000_000},
            {"nbf": 4_000_000_000},
            {"scope": None},
            {"scope": "openid email"},
            {"token_use": "id"},
        ],
        ids=lambda claims: next(f"{name}-{value}" for name, value in claims.items())[:40],
    )
    def test_that_are_not_good(self, api: Api, tenant: UUID, claims: dict[str, Any]) -> None:
        answer = api.call("GET", PEOPLE, api.token(tenant, **claims))

        assert (answer.status, answer.body["code"]) == (401, "UNAUTHORIZED")
        assert answer.headers["www-authenticate"].startswith("Bearer ")

    @pytest.mark.parametrize(
        "claims", [{"roles": []}, {"roles": ["Wizard"]}, {"tenant_id": None}, {"tenant_id": "x"}]
    )
    def test_that_say_too_little(self, api: Api, tenant: UUID, claims: dict[str, Any]) -> None:
        assert api.call("GET", PEOPLE, api.token(tenant, **claims)).status == 403

    def test_a_physician_s_needs_a_clinician(self, api: Api, tenant: UUID) -> None:
        assert api.call("GET", PEOPLE, api.token(tenant, Role.PHYSICIAN)).body["code"] == "NO_CLINICIAN"

    def test_of_a_tenant_that_is_not_there(self, api: Api) -> None:
        assert api.call("GET", PEOPLE, api.token(uuid4())).body["code"] == "NO_TENANT"

    def test_a_leeway_of_seconds_for_clocks_that_differ(self, api: Api, tenant: UUID) -> None:
        assert (
            api.call("GET", PEOPLE, api.token(tenant, exp=datetime.now(UTC) - timedelta(seconds=5))).status
            == 200
        )

    @pytest.mark.parametrize("authorization", ["", "Basic YTpi", "Bearer", "Bearer x", "Bearer a.b.c"])
    def test_that_are_none(self, api: Api, authorization: str) -> None:
        assert api.call("GET", PEOPLE, authorization=authorization).status == 401

    def test_forged(self, api: Api, tenant: UUID) -> None:
        now = datetime.now(UTC)
        claims = {
            "iss": ISSUER, "aud": AUDIENCE, "sub": "eve", "iat": now, "exp": now + timedelta(hours=1),
            "scope": "nolapse/read nolapse/write", "roles": ["Admin"], "tenant_id": str(tenant),
        }  # fmt: skip
        tokens = [
            forged(claims, kid="local"),
            forged(claims, kid="another"),
            forged(claims),
            jwt.encode(claims, None, algorithm="none", headers={"kid": "local"}),
            jwt.encode(
                claims, "a secret of the forger, long enough", algorithm="HS256", headers={"kid": "local"}
            ),
            confused(claims, json.dumps(api.issuer.keys["keys"][0])),
        ]
        for token in tokens:
            assert api.call("GET", PEOPLE, token).status == 401

    def test_without_the_scope(self, api: Api, tenant: UUID) -> None:
        reader = api.token(tenant, scopes="nolapse/read")
        writer = api.token(tenant, scopes="nolapse/write")

        assert api.call("GET", PEOPLE, reader).status == 200
        assert api.call("POST", PEOPLE, reader, BODY).body["code"] == "SCOPE"
        assert api.call("GET", PEOPLE, writer).body["code"] == "SCOPE"
        assert api.call("POST", PEOPLE, writer, BODY).status == 201


class TestPace:
    def test_of_one_caller(self, api: Api, tenant: UUID, staff: str) -> None:
        api.front.pace = Pace(3, 100)

        answers = [api.call("GET", PEOPLE, staff) for _ in range(4)]

        assert [each.status for each in answers] == [200, 200, 200, 429]
        assert [each.headers["x-ratelimit-remaining"] for each in answers] == ["2", "1", "0", "0"]
        assert answers[-1].headers["x-ratelimit-limit"] == "3"
        assert 0 < int(answers[-1].headers["retry-after"]) <= 60
        assert api.call("GET", PEOPLE, api.token(tenant, subject="another")).status == 200

    def test_of_a_tenant(self, api: Api, tenant: UUID) -> None:
        api.front.pace = Pace(3, 4)
        callers = [api.token(tenant, subject=str(number)) for number in range(5)]
        elsewhere = api.token(api.register.tenant("elsewhere"))

        assert [api.call("GET", PEOPLE, caller).status for caller in callers] == [200] * 4 + [429]
        assert api.call("GET", PEOPLE, elsewhere).status == 200

    def test_what_one_caller_is_refused_is_not_counted_for_the_tenant(self, api: Api, tenant: UUID) -> None:
        api.front.pace = Pace(3, 5)
        greedy, calm = (api.token(tenant, subject=name) for name in ("greedy", "calm"))

        assert [api.call("GET", PEOPLE, greedy).status for _ in range(6)] == [200] * 3 + [429] * 3
        answers = [api.call("GET", PEOPLE, calm) for _ in range(3)]

        assert [each.status for each in answers] == [200, 200, 429]
        assert "your tenant" in answers[-1].body["message"]
        assert "all that you may" in api.call("GET", PEOPLE, greedy).body["message"]

    def test_begins_again_with_every_minute(self, api: Api, staff: str) -> None:
        api.front.pace = Pace(1, 100)
        assert [api.call("GET", PEOPLE, staff).status for _ in range(2)] == [200, 429]

        api.clock.move_to(api.clock.now() + timedelta(minutes=1))

        assert api.call("GET", PEOPLE, staff).status == 200


class TestRepeats:
    def people(self, api: Api) -> int:
        return len(api.register.rows("SELECT clinician_id FROM clinicians"))

    def test_of_a_request_get_its_first_answer(self, api: Api, staff: str) -> None:
        first = api.call("POST", PEOPLE, staff, BODY, idempotency_key="k1")
        again = api.call("POST", PEOPLE, staff, BODY, idempotency_key="k1")

        assert (again.status, again.body, again.etag) == (first.status, first.body, first.etag)
        assert again.headers["location"] == first.headers["location"]
        assert ("idempotency-replayed" in first.headers, again.headers["idempotency-replayed"]) == (
            False,
            "true",
        )
        assert self.people(api) == 1

    def test_of_a_key_with_another_request_are_refused(self, api: Api, staff: str) -> None:
        api.call("POST", PEOPLE, staff, BODY, idempotency_key="k1")

        other = api.call("POST", PEOPLE, staff, {**BODY, "external_id": "grace"}, idempotency_key="k1")

        assert (other.status, other.body["fields"][0]["field"]) == (422, "Idempotency-Key")
        assert self.people(api) == 1

    def test_of_what_failed_are_tried_again(self, api: Api, staff: str) -> None:
        wrong = {**BODY, "supervisor_id": str(uuid4())}
        assert api.call("POST", PEOPLE, staff, wrong, idempotency_key="k1").status == 422

        assert api.call("POST", PEOPLE, staff, BODY, idempotency_key="k1").status == 201

    def test_by_others_are_their_own(self, api: Api, tenant: UUID, staff: str) -> None:
        api.call("POST", PEOPLE, staff, BODY, idempotency_key="k1")

        other = api.call("POST", PEOPLE, api.token(tenant, subject="other"), BODY, idempotency_key="k1")

        assert other.status == 409

    def test_are_forgotten_after_a_week(self, api: Api, staff: str) -> None:
        api.call("POST", PEOPLE, staff, BODY, idempotency_key="k1")
        engine, now = api.register.database.engine, api.clock.now()

        forgotten = [
            maintain(engine, now=now + timedelta(days=days), horizon_months=13, retention=RETENTION)[
                "idempotent_request_forgotten"
            ]
            for days in (6, 8)
        ]

        assert forgotten == [0, 1]

    @pytest.mark.parametrize("key", ["", "a b", "x" * 256])
    def test_need_a_key_that_is_one(self, api: Api, staff: str, key: str) -> None:
        assert api.call("POST", PEOPLE, staff, BODY, idempotency_key=key).status == 422


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_an_id_of_letters_that_no_id_has_is_not_found(api: Api, staff: str, method: str) -> None:
    answer = api.call(method, f"{PEOPLE}/%F3%89%8F%A3%C3%9F%0A", staff, if_match="*")
    assert (answer.status, answer.body["code"]) == (404, "NOT_FOUND")


def test_a_path_with_a_name_is_no_record_of_that_id(api: Api, staff: str) -> None:
    answer = api.call("GET", f"{PEOPLE}/bulk", staff)
    assert (answer.status, answer.headers["allow"]) == (405, "POST")
