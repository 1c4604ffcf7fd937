"""E-mail through Twilio SendGrid's v3 Web API.

There is no idempotency parameter: a message whose answer was lost can only be looked for. Custom arguments
come back with receipts but can't be searched, categories can, so the key travels as both.
https://www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send
"""

import json
import logging
from datetime import datetime, timedelta
from email.message import Message
from http import HTTPStatus
from http.client import HTTPException
from typing import Any
from urllib.request import OpenerDirector, Request

import python_http_client
from sendgrid import SendGridAPIClient

from nolapse.domain.messages import Email, Sought
from nolapse.domain.outcomes import Accepted, NotFound, Outcome, ProbeResult, Unknown
from nolapse.providers.deadline_transport import ConnectError, build_opener
from nolapse.providers.judgement import failure, failure_code, refusal
from nolapse.providers.retry_after import server_time
from nolapse.providers.unsubscribe import one_click

_LOG_RETENTION = timedelta(days=30)
_FIELDS = {
    *("personalizations", "from", "subject", "content", "headers", "categories", "tracking_settings"),
    *("to", "custom_args", "email", "name", "type", "value"),
}


class SendGrid:
    """`host` is a base URL; `timeout` bounds a whole exchange, in seconds."""

    name = "sendgrid"

    def __init__(self, api_key: str, host: str, timeout: float) -> None:
        # This logger writes whole requests, key, address and body included, and nothing else.
        logging.getLogger("python_http_client.client").disabled = True
        # Secret stores and files add line ends, and http.client would print the key in its complaint.
        sdk = SendGridAPIClient(api_key.strip(), host)
        self._api = _Client(
            build_opener(),
            host=host,
            request_headers={**sdk.client.request_headers, "Content-Type": "application/json"},
            version=3,
            timeout=timeout,
        )

    def send(self, email: Email) -> Outcome:
        try:
            answer = self._api.mail.send.post(request_body=_mail(email))
        except python_http_client.HTTPError as error:
            return refusal(self.name, error.status_code, error.headers, _faulty_field(error.body))
        except (ConnectError, OSError, HTTPException) as error:
            return failure(self.name, error)
        message_id = answer.headers.get("X-Message-Id")
        if answer.status_code != HTTPStatus.ACCEPTED or not message_id:
            # SendGrid names what it takes, and its sandbox says 200 and sends nothing: whoever answered this
            # may not have passed the message on, and no receipt could be matched. A probe settles both.
            return Unknown(f"sendgrid:{answer.status_code}:unconfirmed")
        return Accepted(message_id)

    def probe(self, sought: Sought) -> ProbeResult:
        """Search the Email Logs of 30 days: a weak proof, for a message shows there some time after its 202.

        By category alone: the key is unique by itself, and the log compares addresses case by case, so a
        respelt one would look unsent and be sent twice.
        https://www.twilio.com/docs/sendgrid/api-reference/email-logs/filter-all-messages
        """
        search = {"query": f"categories IN ('{sought.key}')", "limit": 1}
        try:
            answer = self._api.logs.post(request_body=search)
            message_id = _first_message_id(json.loads(answer.body))
        except python_http_client.HTTPError as error:
            return Unknown(f"sendgrid:{error.status_code}")
        except (ConnectError, OSError, HTTPException, ValueError, LookupError, TypeError) as error:
            return Unknown(failure_code(self.name, error))
        if message_id:
            return Accepted(message_id)
        return Unknown("sendgrid:log-expired") if _outlived(sought.since, answer.headers) else NotFound()


class _Client(python_http_client.Client):  # type: ignore[misc]
    """The SDK's HTTP client over our transport; it makes a new client for every segment of a URL."""

    def __init__(self, opener: OpenerDirector, **options: Any) -> None:
        super().__init__(**options)
        self._opener = opener

    def _build_client(self, name: str | None = None) -> "_Client":
        return _Client(
            self._opener,
            host=self.host,
            version=self._version,
            request_headers=self.request_headers,
            url_path=[*self._url_path, name] if name else self._url_path,
            timeout=self.timeout,
        )

    def post(self, request_body: dict[str, Any]) -> python_http_client.client.Response:
        """In place of the SDK's own, which reads the certificate store anew for every request: 30 ms."""
        body = json.dumps(request_body).encode()
        request = Request(self._build_url(None), body, self.request_headers, method="POST")  # noqa: S310
        return python_http_client.client.Response(self._make_request(self._opener, request))


def _mail(email: Email) -> dict[str, Any]:
    mail = {
        "personalizations": [
            {"to": [{"email": email.to}], "custom_args": {"key": email.key, "attempt_id": email.attempt_id}}
        ],
        "from": {"email": email.sender, "name": email.sender_name},
        "subject": email.content.subject,
        "content": [
            {"type": "text/plain", "value": email.content.text},
            {"type": "text/html", "value": email.content.html},
        ],
        "categories": [email.key],
        # Tracked links and pixels would tell the vendor who looks after which licence.
        "tracking_settings": {
            "click_tracking": {"enable": False, "enable_text": False},
            "open_tracking": {"enable": False},
        },
    }
    return mail | {"headers": one_click(email.unsubscribe_url)} if email.unsubscribe_url else mail


def _faulty_field(body: bytes) -> str | None:
    """The path of the first field complained of, if it is made of our own request's words and indexes alone.

    The messages beside it quote addresses.
    """
    try:
        field = str(json.loads(body)["errors"][0]["field"])
    except (ValueError, LookupError, TypeError):
        return None
    ours = all(part in _FIELDS or (part.isascii() and part.isdigit()) for part in field.split("."))
    return field if ours else None


def _first_message_id(found: Any) -> str | None:
    """The X-Message-Id of the 202, which the log follows with a dot and the name of the machine that took it.

    An answer of another shape raises: silence must not be mistaken for "not found".
    """
    messages = found["messages"]
    if messages == []:
        return None
    message_id, _, _ = str(messages[0]["sg_message_id"] or "").partition(".")
    if not message_id:
        raise ValueError
    return message_id


def _outlived(since: datetime, headers: Message) -> bool:
    now = server_time(headers)
    return now is None or now - since >= _LOG_RETENTION
