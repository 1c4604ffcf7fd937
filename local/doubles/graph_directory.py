"""The identity platform as an application sees it: where its endpoints are, and a token for its secret.

https://learn.microsoft.com/en-us/entra/identity-platform/v2-protocols-oidc
https://learn.microsoft.com/en-us/entra/identity-platform/v2-oauth2-client-creds-grant-flow
"""

import hmac
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

from local.doubles.server import Reply, Request

# As the vendor's discovery answers, whoever asks: the double's own address is not in it.
_HOST = "https://login.microsoftonline.com"
_FIELDS = {"client_id", "client_secret", "grant_type", "scope", "client_info"}


class Directory:
    """Of one tenant with one application. Its tokens do not expire, for clocks here may run ahead."""

    def __init__(self, tenant: str, client_id: str, secret: str) -> None:
        self._tenant = tenant
        self._client_id = client_id
        self._secret = secret

    def answer(self, request: Request) -> Reply | None:
        """None for what is not the directory's to answer."""
        match request.method, request.path.partition("?")[0].removeprefix(f"/{self._tenant}"):
            case "GET", "/v2.0/.well-known/openid-configuration":
                return Reply(HTTPStatus.OK, self._configuration())
            case "POST", "/oauth2/v2.0/token":
                return self._grant(dict(parse_qsl(request.body.decode(), keep_blank_values=True)))
        return None

    def knows(self, authorization: str) -> bool:
        return hmac.compare_digest(authorization, f"Bearer {self._token()}")

    def _configuration(self) -> dict[str, Any]:
        base = f"{_HOST}/{self._tenant}"
        return {
            "issuer": f"{base}/v2.0",
            "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
            "token_endpoint": f"{base}/oauth2/v2.0/token",
            "device_authorization_endpoint": f"{base}/oauth2/v2.0/devicecode",
            "jwks_uri": f"{base}/discovery/v2.0/keys",
            "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
            "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["RS256"],
        }

    def _grant(self, form: dict[str, str]) -> Reply:
        if set(form) - _FIELDS:
            return _refused("invalid_request", 90014)
        if form.get("grant_type") != "client_credentials":
            return _refused("unsupported_grant_type", 70003)
        if form.get("client_id") != self._client_id:
            return _refused("unauthorized_client", 700016)
        if form.get("client_secret") != self._secret:
            return _refused("invalid_client", 7000215, HTTPStatus.UNAUTHORIZED)
        if not form.get("scope", "").endswith("/.default"):
            return _refused("invalid_scope", 1002012)
        granted = {"token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599}
        return Reply(HTTPStatus.OK, granted | {"access_token": self._token()})

    def _token(self) -> str:
        return hmac.digest(self._secret.encode(), self._client_id.encode(), "sha256").hex()


def _refused(error: str, code: int, status: HTTPStatus = HTTPStatus.BAD_REQUEST) -> Reply:
    description = f"AADSTS{code}: refused."
    return Reply(status, {"error": error, "error_description": description, "error_codes": [code]})
