"""A small OIDC issuer for one machine: a key in the home, tokens signed with it, its public half over HTTP."""

from collections.abc import Callable
from datetime import datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any, Self
from uuid import UUID

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from local.doubles.server import DoubleServer, Reply, Request
from nolapse.api.identity import READ, WRITE, Role

# A name, not an address: the keys' address changes with every start.
ISSUER = "https://issuer.nolapse.test"
AUDIENCE = "nolapse"
KEY_ID = "local"
KEYS_PATH = "/.well-known/jwks.json"
LASTING = timedelta(hours=1)


class Issuer:
    """Its key lies in `folder`, made on first use."""

    def __init__(self, folder: Path) -> None:
        path = folder / "issuer.pem"
        if not path.exists():
            made = ec.generate_private_key(ec.SECP256R1())
            folder.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600)
            path.write_bytes(
                made.private_bytes(
                    serialization.Encoding.PEM,
                    serialization.PrivateFormat.PKCS8,
                    serialization.NoEncryption(),
                )
            )
        key = serialization.load_pem_private_key(path.read_bytes(), None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise TypeError(path)
        self._key = key

    @property
    def keys(self) -> dict[str, Any]:
        """https://www.rfc-editor.org/rfc/rfc7517#section-5."""
        public = ECAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        return {"keys": [{**public, "kid": KEY_ID, "use": "sig", "alg": "ES256"}]}

    def token(
        self,
        role: Role,
        tenant_id: UUID,
        /,
        *,
        now: datetime,
        clinician_id: UUID | None = None,
        subject: str = "somebody",
        scopes: str = f"{READ} {WRITE}",
        lasting: timedelta = LASTING,
        **claims: Any,
    ) -> str:
        """An access token; `claims` are added, or put in place of its own, None meaning none."""
        said = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": subject,
            "iat": now,
            "exp": now + lasting,
            "scope": scopes,
            "roles": [role.value],
            "tenant_id": str(tenant_id),
            "clinician_id": str(clinician_id) if clinician_id else None,
            **claims,
        }
        return jwt.encode(
            {name: value for name, value in said.items() if value is not None},
            self._key,
            algorithm="ES256",
            headers={"kid": KEY_ID, "typ": "at+jwt"},
        )


class IssuerDouble:
    """Serves an issuer's public key from `with` to the end of its block."""

    def __init__(self, issuer: Issuer, clock: Callable[[], datetime]) -> None:
        self.issuer = issuer
        self._server = DoubleServer(self._answer, clock, lambda: None)

    @property
    def keys_url(self) -> str:
        return self._server.url + KEYS_PATH

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()

    def _answer(self, request: Request) -> Reply:
        if request.path != KEYS_PATH:
            return Reply(HTTPStatus.NOT_FOUND)
        return Reply(HTTPStatus.OK, self.issuer.keys)
