"""E-mail through Mailgun's Messages API.

There is no idempotency parameter: a message whose answer was lost can only be looked for. The key travels as a tag,
which the logs can be searched by, and with the attempt as a variable, which comes back with logs and receipts.
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
from nolapse.providers.deadline_transport import Answer, ConnectError, Deadline, build_opener, exchange
from nolapse.providers.judgement import failure, failure_code, refusal
from nolapse.providers.retry_after import server_time
from nolapse.providers.unsubscribe import one_click

# How long the logs reach back depends on the account's plan, and is a day on the smallest.
_LOG_RETENTION = timedelta(days=1)
# A message is looked for from before its attempt on: Mailgun's clock and ours may differ.
_CLOCK_DIFFERENCE = timedelta(minutes=10)
_PAGE = 100
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
        content_type = f"multipart/form-data; boundary={boundary}"
        try:
            answer = self._post(f"/v3/{self._domain}/messages", form, content_type, Deadline(self._timeout))
        except (ConnectError, OSError, HTTPException) as error:
            return failure(self.name, error)
        if not HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
            return refusal(self.name, answer.status, answer.headers)
        message_id = _message_id(answer)
        # Mailgun names what it takes: whoever answered this may not have passed the message on.
        return Accepted(message_id) if message_id else Unknown(f"mailgun:{answer.status}:unconfirmed")

    def probe(self, sought: Sought) -> ProbeResult:
        """Search the Logs: a weak proof, for a message shows there some time after it was taken.

        By tag, and then by recipient: a domain is allowed 20,000 tags, and what becomes of the next one is not said;
        an address may have been respelt.
        https://documentation.mailgun.com/docs/mailgun/api-reference/send/mailgun/logs/post-v1-analytics-logs
        """
        deadline = Deadline(self._timeout)
        try:
            for name, value in (("tag", sought.key), ("recipient", sought.to)):
                body = json.dumps(_search(self._domain, name, value, sought.since)).encode()
                answer = self._post("/v1/analytics/logs", body, "application/json", deadline)
                if answer.status != HTTPStatus.OK:
                    return Unknown(f"mailgun:{answer.status}")
                message_id = _logged(json.loads(answer.body), sought.key)
                if message_id:
                    return Accepted(message_id)
        except (ConnectError, OSError, HTTPException, *_ODD_SHAPES) as error:
            return Unknown(failure_code(self.name, error))
        return Unknown("mailgun:log-expired") if _outlived(sought.since, answer.headers) else NotFound()

    def _post(self, path: str, body: bytes, content_type: str, deadline: Deadline) -> Answer:
        headers = {"Authorization": self._authorization, "Content-Type": content_type}
        request = Request(self._host + path, body, headers, method="POST")  # noqa: S310
        return exchange(self._opener, request, deadline.left())


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


def _search(domain: str, attribute: str, value: str, since: datetime) -> dict[str, Any]:
    conditions = {"domain": domain, attribute: value}
    return {
        "start": format_datetime(since - _CLOCK_DIFFERENCE),
        "events": ["accepted"],
        "filter": {
            "AND": [
                {"attribute": name, "comparator": "=", "values": [{"label": value, "value": value}]}
                for name, value in conditions.items()
            ]
        },
        "pagination": {"sort": "timestamp:asc", "limit": _PAGE},
    }


def _logged(found: Any, key: str) -> str | None:
    """An answer of another shape raises, and so does a page that may not be the last: neither is "not found"."""
    named = {_name(item): item for item in found["items"]}
    for message_id, item in named.items():
        if key in item.get("tags", []) or key in str(item.get("user-variables")):
            return message_id
    if len(found["items"]) >= _PAGE:
        raise ValueError
    return None


def _name(item: Mapping[str, Any]) -> str:
    message_id = item["message"]["headers"]["message-id"].strip("<>")
    if not message_id:
        raise ValueError
    return str(message_id)


def _outlived(since: datetime, headers: Message) -> bool:
    now = server_time(headers)
    return now is None or now - since >= _LOG_RETENTION
