"""SMS and WhatsApp through Twilio's Messages resource.

There is no idempotency parameter: a message whose answer was lost can only be looked for, among those of the
same person, by its text and by when it was made.
https://www.twilio.com/docs/messaging/api/message-resource
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from http import HTTPStatus
from http.client import HTTPException
from typing import Any
from urllib.parse import urlencode

from twilio.base.exceptions import TwilioException, TwilioRestException, TwilioServiceException
from twilio.base.values import unset
from twilio.rest import Client

from nolapse.domain.messages import Sought, TemplateMessage, TextMessage
from nolapse.domain.outcomes import Accepted, NotFound, Outcome, ProbeResult, Rejected, RetrySafe, Unknown
from nolapse.providers.deadline_transport import Answer, ConnectError, build_opener
from nolapse.providers.judgement import NOT_THE_MESSAGES_FAULT, failure, failure_code, refusal
from nolapse.providers.retry_after import retry_delay
from nolapse.providers.twilio_errors import LATER, OURS, PERMANENT
from nolapse.providers.twilio_exchange import TwilioExchange

_E164 = re.compile(r"\+[1-9][0-9]{1,14}")
_SERVICE = re.compile(r"MG[0-9a-f]{32}")
_MESSAGE = re.compile(r"[SM]M[0-9a-f]{32}")
_ERROR_CODES = range(10_000, 100_000)
_NOT_SENT = {"failed", "undelivered", "canceled"}

# A message is made within the exchange that asks for it: what was made outside of these is another's, though
# it say the same. Twilio's clock and ours may differ.
_CLOCK_DIFFERENCE = timedelta(minutes=5)
_MADE_WITHIN = timedelta(minutes=5)
_PAGE = 1000
_PAGES = 3

# What reading an answer of an unexpected shape raises, in the SDK and here.
_ODD_SHAPES = (ValueError, LookupError, TypeError, AttributeError)

# Not an empty one, for which the SDK would read the process's.
_NO_ENVIRONMENT = {"TWILIO_REGION": "", "TWILIO_EDGE": ""}


@dataclass(frozen=True, slots=True)
class TwilioAccount:
    """`url` is the API's base; `timeout` bounds a whole exchange, in seconds.

    `status_callback` is a URL without a query that takes receipts. It is called with the message's key and attempt
    in a query, which say whose a receipt is even where the answer to the send was lost.
    """

    sid: str
    auth_token: str = field(repr=False)
    url: str
    timeout: float
    status_callback: str | None = None


class TooManyMessages(Exception):
    """Not all that could be the one were looked at."""


class TwilioSms:
    name = "twilio-sms"

    def __init__(self, account: TwilioAccount) -> None:
        self._messages = _Messages(self.name, account)

    def send(self, message: TextMessage) -> Outcome:
        if not _E164.fullmatch(message.to):
            return Rejected(f"{self.name}:not-e164")
        return self._messages.create(message, to=message.to, body=message.body, **_sender(message.sender))

    def probe(self, sought: Sought) -> ProbeResult:
        return self._messages.probe(sought, sought.to, _number(sought.sender))


class TwilioWhatsApp:
    """Only an approved template may open a conversation.

    https://www.twilio.com/docs/content/send-templates-created-with-the-content-template-builder
    """

    name = "twilio-whatsapp"

    def __init__(self, account: TwilioAccount) -> None:
        self._messages = _Messages(self.name, account)

    def send(self, message: TemplateMessage) -> Outcome:
        if not _E164.fullmatch(message.to):
            return Rejected(f"{self.name}:not-e164")
        return self._messages.create(
            message,
            to=f"whatsapp:{message.to}",
            content_sid=message.content_id,
            content_variables=json.dumps(dict(message.variables)),
            **_sender(message.sender, "whatsapp:"),
        )

    def probe(self, sought: Sought) -> ProbeResult:
        return self._messages.probe(sought, f"whatsapp:{sought.to}", _number(sought.sender, "whatsapp:"))


class _Messages:
    """What the channels have in common: how an answer is judged, and where a lost one is looked for."""

    def __init__(self, name: str, account: TwilioAccount) -> None:
        self._name = name
        self._account = account
        self._opener = build_opener()

    def create(self, message: TextMessage | TemplateMessage, **fields: str) -> Outcome:
        exchange, client = self._exchange()
        try:
            created = client.messages.create(**fields, status_callback=self._callback(message))
            return self._judge(created, exchange.answer.status)
        except (TwilioRestException, TwilioServiceException) as error:
            return self._refusal(error.code, exchange.answer)
        except (ConnectError, OSError, HTTPException) as error:
            return failure(self._name, error)
        except _ODD_SHAPES:
            return Unknown(f"{self._name}:{exchange.answer.status}:unconfirmed")

    def probe(self, sought: Sought, to: str, sender: str | None) -> ProbeResult:
        """Look among all messages to this number.

        Not by Twilio's date filter: it knows days of GMT, and a message still queued has no date of sending.
        """
        if sought.body_sha256 is None:
            return Unknown(f"{self._name}:no-body")
        exchange, client = self._exchange()
        try:
            candidates = [
                message
                for message in _listed(exchange, client, to, sender)
                if -_CLOCK_DIFFERENCE <= message.date_created - sought.since <= _MADE_WITHIN
                and message.status not in _NOT_SENT
            ]
            return self._find(sought.body_sha256, candidates)
        except TwilioException:
            return Unknown(f"{self._name}:{exchange.answer.status}")
        except (ConnectError, OSError, HTTPException, TooManyMessages, *_ODD_SHAPES) as error:
            return Unknown(failure_code(self._name, error))

    def _find(self, body_sha256: bytes, candidates: Sequence[Any]) -> ProbeResult:
        for message in candidates:
            if sha256((message.body or "").encode()).digest() == body_sha256:
                return Accepted(_sid(message))
        # Accounts may have their texts redacted, and a template by a messaging service is listed without its own
        # (https://github.com/twilio/twilio-node/issues/1081): whose an empty one is can't be told.
        if not all(message.body for message in candidates):
            return Unknown(f"{self._name}:no-text")
        return NotFound()

    def _exchange(self) -> tuple[TwilioExchange, Client]:
        account = self._account
        exchange = TwilioExchange(self._opener, account.url, account.timeout)
        # Secret stores and files add line ends.
        client = Client(
            account.sid, account.auth_token.strip(), http_client=exchange, environment=_NO_ENVIRONMENT
        )
        return exchange, client

    def _callback(self, message: TextMessage | TemplateMessage) -> Any:
        url = self._account.status_callback
        return f"{url}?{urlencode({'key': message.key, 'attempt': message.attempt_id})}" if url else unset

    def _refusal(self, code: Any, answer: Answer) -> Outcome:
        known = _error_code(code)
        if not known or answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return refusal(self._name, answer.status, answer.headers)
        named = f"{self._name}:{known}"
        if known in OURS or known in LATER or answer.status in NOT_THE_MESSAGES_FAULT:
            asked = retry_delay(answer.headers)
            return RetrySafe(named, LATER.get(known) if asked is None else asked)
        return Rejected(named)

    def _judge(self, created: Any, status: int) -> Outcome:
        if created.status in _NOT_SENT:
            # Made, and it says at once that it won't leave.
            known = _error_code(created.error_code)
            named = f"{self._name}:{known or 'failed'}"
            return Rejected(named) if known in PERMANENT else RetrySafe(named, LATER.get(known))
        if status != HTTPStatus.CREATED or not _MESSAGE.fullmatch(str(created.sid)):
            return Unknown(f"{self._name}:{status}:unconfirmed")
        return Accepted(created.sid)


def _listed(exchange: TwilioExchange, client: Client, to: str, sender: str | None) -> Iterator[Any]:
    """An answer of another shape raises: silence must not be mistaken for "not found"."""
    page = client.messages.page(to=to, from_=sender or unset, page_size=_PAGE)
    for _ in range(_PAGES):
        if "messages" not in json.loads(exchange.answer.body):
            raise ValueError
        yield from page
        if page.next_page_url is None:
            return
        page = page.next_page()
    raise TooManyMessages


def _error_code(code: Any) -> int:
    """0 for what is none: the SDK puts the HTTP status in its place, and a vendor may say anything."""
    return code if isinstance(code, int) and code in _ERROR_CODES else 0


def _sid(message: Any) -> str:
    if not _MESSAGE.fullmatch(message.sid):
        raise ValueError
    return str(message.sid)


def _sender(sender: str, channel: str = "") -> dict[str, str]:
    if _SERVICE.fullmatch(sender):
        return {"messaging_service_sid": sender}
    return {"from_": channel + sender}


def _number(sender: str | None, channel: str = "") -> str | None:
    """None where a messaging service chose the number."""
    return None if sender is None or _SERVICE.fullmatch(sender) else channel + sender
