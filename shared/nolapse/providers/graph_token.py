"""An application's own token for Microsoft Graph: client credentials, by msal over our transport.

https://learn.microsoft.com/en-us/entra/identity-platform/v2-oauth2-client-creds-grant-flow
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from email.message import Message
from http import HTTPStatus
from threading import Lock
from urllib.parse import urlencode, urlsplit
from urllib.request import OpenerDirector, Request

import msal

from nolapse.providers.deadline_transport import Deadline, exchange
from nolapse.providers.retry_after import retry_delay

# https://datatracker.ietf.org/doc/html/rfc6749#section-5.2
_OAUTH_ERRORS = {
    "invalid_request",
    "invalid_client",
    "invalid_grant",
    "unauthorized_client",
    "unsupported_grant_type",
    "invalid_scope",
}
# The rest is not the directory's word on us.
_OAUTH_STATUSES = {HTTPStatus.OK, HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED}


class TokenRefused(Exception):
    """No token, for a reason that is ours or the directory's: nothing about a message."""

    def __init__(self, code: str, delay: timedelta | None = None) -> None:
        super().__init__(f"no token: {code}")
        self.code = code
        self.delay = delay


@dataclass(frozen=True, slots=True)
class _Reply:
    """What msal wants of an answer."""

    status_code: int
    text: str
    headers: Message


class _Http:
    """msal's HTTP, of which every request goes to the authority of the settings, whatever its discovery says.

    Left to itself, msal would take proxies and certificates from the environment, and 10 seconds a read. It
    insists on https, which a double on loopback does not speak: of its URLs, only path and query are kept.
    """

    def __init__(self, opener: OpenerDirector, origin: str) -> None:
        self._opener = opener
        self._origin = origin
        self.deadline = Deadline(0)

    def get(self, url: str, params: Mapping[str, str] | None = None, **options: object) -> _Reply:
        return self._exchange("GET", url, params, None, options)

    def post(
        self,
        url: str,
        params: Mapping[str, str] | None = None,
        data: Mapping[str, str] | str | None = None,
        **options: object,
    ) -> _Reply:
        body = data if isinstance(data, str) else urlencode(data or {})
        return self._exchange("POST", url, params, body.encode(), options)

    def _exchange(
        self,
        method: str,
        url: str,
        params: Mapping[str, str] | None,
        body: bytes | None,
        options: Mapping[str, object],
    ) -> _Reply:
        parts = urlsplit(url)
        query = "&".join(part for part in (parts.query, urlencode(params or {})) if part)
        headers = options.get("headers") or {}
        request = Request(  # noqa: S310
            f"{self._origin}{parts.path}" + (f"?{query}" if query else ""),
            body,
            dict(headers) if isinstance(headers, Mapping) else {},
            method=method,
        )
        answer = exchange(self._opener, request, self.deadline.left())
        if answer.status not in _OAUTH_STATUSES:
            raise TokenRefused(str(answer.status), retry_delay(answer.headers))
        return _Reply(answer.status, answer.body.decode(errors="replace"), answer.headers)


class ClientCredentials:
    """`authority` is the tenant's at the identity platform, `https://login.microsoftonline.com/TENANT`.

    msal keeps the token until it expires, and for a minute the directory's refusal.
    """

    def __init__(
        self, authority: str, client_id: str, secret: str, scope: str, opener: OpenerDirector
    ) -> None:
        self._authority = urlsplit(authority.rstrip("/"))
        self._client_id = client_id
        # Secret stores and files add line ends.
        self._secret = secret.strip()
        self._scope = scope
        self._http = _Http(opener, f"{self._authority.scheme}://{self._authority.netloc}")
        self._application: msal.ConfidentialClientApplication | None = None
        self._one_at_a_time = Lock()

    def token(self, deadline: Deadline) -> str:
        """Raises TokenRefused, or what the transport raises."""
        if not self._one_at_a_time.acquire(timeout=deadline.left()):
            raise TimeoutError
        try:
            self._http.deadline = deadline
            # Making the application asks the authority for its endpoints: I/O, so not at construction.
            self._application = self._application or self._discover()
            answer = self._application.acquire_token_for_client([self._scope])
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            # An answer of another shape; msal's complaint quotes it.
            raise TokenRefused(type(error).__name__) from None
        finally:
            self._one_at_a_time.release()
        return _token(answer)

    def _discover(self) -> msal.ConfidentialClientApplication:
        return msal.ConfidentialClientApplication(
            self._client_id,
            client_credential=self._secret,
            authority=self._authority._replace(scheme="https").geturl(),
            # The settings say which authority to trust: no other one is asked about it.
            instance_discovery=False,
            http_client=self._http,
        )


def _token(answer: Mapping[str, object]) -> str:
    token = answer.get("access_token")
    if isinstance(token, str) and token:
        return token
    error = str(answer.get("error"))
    raise TokenRefused(error if error in _OAUTH_ERRORS else "unconfirmed")
