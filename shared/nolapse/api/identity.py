"""Who calls: an OIDC access token (RFC 9068), checked against its issuer's keys, and what it says of its bearer."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

import jwt

from nolapse.api.errors import Forbidden, Unauthorized, Unavailable

# Asymmetric ones alone: a symmetric one would let a public key sign (https://www.rfc-editor.org/rfc/rfc8725#section-2.1).
ALGORITHMS = ["RS256", "ES256"]
LEEWAY = timedelta(seconds=30)
KEYS_TIMEOUT_SECONDS = 3
RETRY_AFTER_SECONDS = 5
READ, WRITE = "nolapse/read", "nolapse/write"
# What the name of a tenant's group, or of its machine's scope, begins with; the tenant's id follows.
TENANT = "tenant:"
SUBJECT = re.compile(r"[\x21-\x7e]{1,128}")


class Role(StrEnum):
    """The strongest first."""

    ADMIN = "Admin"
    CLINIC = "Clinic"
    PHYSICIAN = "Physician"


@dataclass(frozen=True, slots=True)
class Principal:
    """`clinician_id` is whose records alone a physician sees; None for everybody else."""

    subject: str
    role: Role
    tenant_id: UUID
    clinician_id: UUID | None
    scopes: frozenset[str]

    @property
    def actor(self) -> str:
        """As the audit log names them."""
        return f"{self.role.lower()}:{self.subject}"


class Verifier:
    """`audiences`: what `aud`, or Cognito's `client_id`, must be one of. Keys are fetched when needed, and kept."""

    def __init__(self, issuer: str, audiences: Sequence[str], keys_url: str) -> None:
        self._issuer = issuer
        self._audiences = frozenset(audiences)
        self._keys = jwt.PyJWKClient(keys_url, timeout=KEYS_TIMEOUT_SECONDS)

    def principal(self, authorization: str | None) -> Principal:
        """Raises Unauthorized, Forbidden, and Unavailable where the issuer's keys can't be had."""
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Unauthorized("no bearer token")
        return _principal(self._claims(token.strip()))

    def _claims(self, token: str) -> Mapping[str, Any]:
        try:
            if jwt.get_unverified_header(token).get("alg") not in ALGORITHMS:
                raise Unauthorized("the token is signed in a way that is not taken")
            key = self._keys.get_signing_key_from_jwt(token)
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=ALGORITHMS,
                issuer=self._issuer,
                leeway=LEEWAY,
                options={"require": ["exp", "iat", "iss", "sub"], "verify_aud": False},
            )
        except jwt.ExpiredSignatureError:
            raise Unauthorized("the token has expired") from None
        except jwt.PyJWKClientConnectionError:
            raise Unavailable("the issuer's keys can't be had just now", RETRY_AFTER_SECONDS) from None
        except jwt.PyJWTError:
            raise Unauthorized("the token is not good") from None
        # Cognito's access tokens have no `aud`: API Gateway takes `client_id` in its place, and so does this.
        audience = claims.get("aud", claims.get("client_id"))
        if not self._audiences & set(audience if isinstance(audience, list) else [audience]):
            raise Unauthorized("the token is for another audience")
        return claims


def _principal(claims: Mapping[str, Any]) -> Principal:
    scopes = frozenset(str(claims.get("scope", "")).split())
    # An ID token says who somebody is, not what they let us do: it has no scope.
    if claims.get("token_use", "access") != "access" or not scopes & {READ, WRITE}:
        raise Unauthorized("the token is no access token for this API")
    if not SUBJECT.fullmatch(str(claims["sub"])):
        raise Unauthorized("the token's subject can't be written down")
    said = {**_said_by_cognito(claims, scopes), **claims} if "token_use" in claims else claims
    roles = said.get("roles", [])
    role = next((role for role in Role if role in (roles if isinstance(roles, list) else [roles])), None)
    if role is None:
        raise Forbidden("NO_ROLE", f"the token names no role of {', '.join(Role)}")
    tenant_id, clinician_id = (_uuid(said, name) for name in ("tenant_id", "clinician_id"))
    if tenant_id is None:
        raise Forbidden(
            "NO_TENANT", "the token names no tenant: its claim tenant_id is to be the tenant's id"
        )
    if role is Role.PHYSICIAN and clinician_id is None:
        raise Forbidden(
            "NO_CLINICIAN", "a physician's token names no clinician: its claim clinician_id is missing"
        )
    own = clinician_id if role is Role.PHYSICIAN else None
    return Principal(str(claims["sub"]), role, tenant_id, own, scopes)


def _said_by_cognito(claims: Mapping[str, Any], scopes: Iterable[str]) -> dict[str, Any]:
    """What Cognito's access tokens, which have no claims of ours, say by groups and a person's user name; of a machine,
    which is in no group, by scopes that its client alone may ask for.

    https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-the-access-token.html
    """
    is_machine = claims["sub"] == claims.get("client_id")
    named = [scope.rpartition("/")[2] for scope in scopes]
    groups = named if is_machine else claims.get("cognito:groups", [])
    said = {"roles": groups, "clinician_id": claims.get("username")}
    tenants = [group.removeprefix(TENANT) for group in groups if group.startswith(TENANT)]
    # Of two nobody would know which is meant.
    return {**said, "tenant_id": tenants[0]} if len(tenants) == 1 else said


def _uuid(claims: Mapping[str, Any], name: str) -> UUID | None:
    try:
        return UUID(str(claims[name]))
    except (KeyError, ValueError):
        return None
