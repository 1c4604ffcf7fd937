"""E-mail through Mailgun's Messages API.

There is no idempotency parameter: a message whose answer was lost can only be looked for, by a tag that is its
key. The key and the attempt travel as variables too, which come back with receipts.
https://documentation.mailgun.com/docs/mailgun/api-reference/send/mailgun/messages/post-v3--domain-name--messages
"""

import json
import secrets
from base64 import b64encode
from collections.abc import Mapping
from datetime import datetime, timedelta
from email.message import Message
from email.utils import format_datetime, quote
from http import HTTPStatus
from http.client import HTTPException
from typing import Any
from urllib.request import Request

from nolapse.domain.messages import Email, Sought
from nolapse.domain.outcomes import Accepted, NotFound, Outcome, ProbeResult, Unknown
from nolapse.providers.deadline_transport import Answer, ConnectError, build_opener, exchange
from nolapse.providers.judgement import failure, failure_code, refusal
from nolapse.providers.retry_after import server_time
from nolapse.providers.unsubscribe import one_click

# How long the logs reach back depends on the account's plan, and is a day on the smallest.
_LOG_RETENTION = timedelta(days=1)
# A message is looked for from before its attempt on: Mailgun's clock and ours may differ.
_CLOCK_DIFFERENCE = timedelta(minutes=10)
_ODD_SHAPES = (ValueError, LookupError, TypeError, AttributeError)


class Mailgun:
    """`domain` is the account's sending domain, `host` the base URL of its region; `timeout` bounds an exchange."""

    name = "mailgun"

    def __init__(self, api_key: str, domain: str, host: str, timeout: float) -> None:
        self._domain = domain
        self._host = host.rstrip("/")
        self._timeout = timeout
        self._opener = build_opener()
        # Secret stores and files add line ends.
        self._authorization = "Basic " + b64encode(f"api:{api_key.strip()}".encode()).decode()

    def send(self, email: Email) -> Outcome:
        boundary = secrets.token_hex(16)
        form = _multipart(_fields(email), boundary)
        try:
            answer = self._post(
                f"/v3/{self._domain}/messages", form, f"multipart/form-data; boundary={boundary}"
            )
        except (ConnectError, OSError, HTTPException) as error:
            return failure(self.name, error)
        if not HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
            return refusal(self.name, answer.status, answer.headers)
        message_id = _message_id(answer)
        # Mailgun names what it takes: whoever answered this may not have passed the message on.
        return Accepted(message_id) if message_id else Unknown(f"mailgun:{answer.status}:unconfirmed")

    def probe(self, sought: Sought) -> ProbeResult:
        """Search the Logs: a weak proof, for a message shows there some time after it was taken.

        https://documentation.mailgun.com/docs/mailgun/api-reference/send/mailgun/logs/post-v1-analytics-logs
        """
        body = json.dumps(_search(self._domain, sought)).encode()
        try:
            answer = self._post("/v1/analytics/logs", body, "application/json")
            if answer.status != HTTPStatus.OK:
                return Unknown(f"mailgun:{answer.status}")
            message_id = _logged(json.loads(answer.body), sought.key)
        except (ConnectError, OSError, HTTPException, *_ODD_SHAPES) as error:
            return Unknown(failure_code(self.name, error))
        if message_id:
            return Accepted(message_id)
        return Unknown("mailgun:log-expired") if _outlived(sought.since, answer.headers) else NotFound()

    def _post(self, path: str, body: bytes, content_type: str) -> Answer:
        headers = {"Authorization": self._authorization, "Content-Type": content_type}
        request = Request(self._host + path, body, headers, method="POST")  # noqa: S310
        return exchange(self._opener, request, self._timeout)


def _fields(email: Email) -> dict[str, str]:
    headers = one_click(email.unsubscribe_url) if email.unsubscribe_url else {}
    return {
        "from": f'"{quote(email.sender_name)}" <{email.sender}>',
        "to": email.to,
        "subject": email.content.subject,
        "text": email.content.text,
        "html": email.content.html,
        **{f"h:{name}": value for name, value in headers.items()},
        "v:key": email.key,
        "v:attempt_id": email.attempt_id,
        "o:tag": email.key,
        # Tracked links and pixels would tell the vendor who looks after which licence.
        "o:tracking": "no",
        "o:tracking-clicks": "no",
        "o:tracking-opens": "no",
    }


def _multipart(fields: Mapping[str, str], boundary: str) -> bytes:
    """RFC 7578, of fields whose names need no quoting."""
    parts = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    )
    return ("".join(parts) + f"--{boundary}--\r\n").encode()


def _message_id(answer: Answer) -> str | None:
    """The Message-ID without its brackets, as receipts and logs have it."""
    try:
        return json.loads(answer.body)["id"].strip("<>") or None
    except _ODD_SHAPES:
        return None


def _search(domain: str, sought: Sought) -> dict[str, Any]:
    conditions = {"domain": domain, "tag": sought.key}
    return {
        "start": format_datetime(sought.since - _CLOCK_DIFFERENCE),
        "events": ["accepted"],
        "filter": {
            "AND": [
                {"attribute": name, "comparator": "=", "values": [{"label": value, "value": value}]}
                for name, value in conditions.items()
            ]
        },
        "pagination": {"sort": "timestamp:asc", "limit": 1},
    }


def _logged(found: Any, key: str) -> str | None:
    """An answer of another shape raises, and so does one that is not of our key: neither is "not found"."""
    items = found["items"]
    if items == []:
        return None
    message_id = items[0]["message"]["headers"]["message-id"]
    if key not in items[0]["tags"] or not isinstance(message_id, str) or not message_id:
        raise ValueError
    return message_id.strip("<>")


def _outlived(since: datetime, headers: Message) -> bool:
    now = server_time(headers)
    return now is None or now - since >= _LOG_RETENTION
