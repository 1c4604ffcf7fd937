"""Twilio's Messages resource on loopback: create, fetch and list in the vendor's wire format.

As at the vendor, nothing is idempotent: the same message sent twice arrives twice.
https://www.twilio.com/docs/messaging/api/message-resource
"""

import base64
import json
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from email.utils import format_datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from local.doubles.double import Double
from local.doubles.received import ReceivedText
from local.doubles.server import Fault, Reply, Request
from local.doubles.store import Taken
from local.doubles.twilio_messages import body_of, error_in, failure_of, is_whatsapp

_RESOURCE = re.compile(r"/2010-04-01/Accounts/(\w+)/Messages(?:/(\w+))?\.json")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_DATE_FILTERS: Mapping[str, Callable[[date, date], bool]] = {
    "DateSent": date.__eq__,
    "DateSent<": date.__le__,
    "DateSent>": date.__ge__,
}
_MAX_PAGE = 1000


class TwilioDouble(Double):
    """`contents` are the approved templates by their ContentSid, with {{1}} where a variable goes."""

    def __init__(
        self,
        store: Path,
        clock: Callable[[], datetime],
        faults: Callable[[], Fault | None] = lambda: None,
        *,
        account_sid: str,
        auth_token: str,
        contents: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(store, clock, faults)
        self._account_sid = account_sid
        self._authorization = "Basic " + base64.b64encode(f"{account_sid}:{auth_token}".encode()).decode()
        self._contents = contents or {}

    def messages(self, after: int = 0) -> list[ReceivedText]:
        """Those that left, but for the first `after` requests: what failed at once is kept, as at the vendor, but
        reached nobody.
        """
        return [
            self._received(taken)
            for taken in self._store.all(after)
            if failure_of(json.loads(taken.request)) is None
        ]

    def _route(self, request: Request) -> Reply:
        if request.headers.get("Authorization") != self._authorization:
            return _error(HTTPStatus.UNAUTHORIZED, 20003, "Authenticate")
        url = urlsplit(request.path)
        found = _RESOURCE.fullmatch(url.path)
        if found is None or found[1] != self._account_sid:
            return _error(HTTPStatus.NOT_FOUND, 20404, "The requested resource was not found")
        match request.method, found[2]:
            case "POST", None:
                return self._create(request)
            case "GET", None:
                return self._list(dict(parse_qsl(url.query, keep_blank_values=True)))
            case "GET", sid:
                return self._fetch(sid)
        return _error(HTTPStatus.METHOD_NOT_ALLOWED, 20004, "Method not allowed")

    def _create(self, request: Request) -> Reply:
        if request.headers.get_content_type() != "application/x-www-form-urlencoded":
            return _error(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, 20415, "Content type not supported")
        form = dict(parse_qsl(request.body.decode(), keep_blank_values=True))
        code = error_in(form, self._contents)
        if code is not None:
            return _error(HTTPStatus.BAD_REQUEST, code, f"Refused: {form.get('To')}")
        taken = self._keep(form, "SM", [form["To"]])
        # It is made before it is sent.
        queued = {"date_sent": None} | ({} if failure_of(form) else {"status": "queued"})
        return Reply(HTTPStatus.CREATED, self._resource(taken) | queued)

    def _fetch(self, sid: str) -> Reply:
        taken = self._store.named(sid)
        if taken is None:
            return _error(HTTPStatus.NOT_FOUND, 20404, "The requested resource was not found")
        return Reply(HTTPStatus.OK, self._resource(taken))

    def _list(self, query: Mapping[str, str]) -> Reply:
        size = query.get("PageSize", "50")
        days = {name: query[name] for name in _DATE_FILTERS if name in query}
        if not size.isdecimal() or not 1 <= int(size) <= _MAX_PAGE or not all(map(_DAY.match, days.values())):
            return _error(HTTPStatus.BAD_REQUEST, 20001, "Invalid parameter")
        found = [taken for taken in reversed(self._asked_for(query)) if _sent_on(taken, days)]
        start = next((i + 1 for i, taken in enumerate(found) if query.get("PageToken") == _token(taken)), 0)
        page = found[start : start + int(size)]
        more = start + len(page) < len(found)
        return Reply(HTTPStatus.OK, self._page(query, page, int(size), more=more))

    def _asked_for(self, query: Mapping[str, str]) -> list[Taken]:
        taken = self._store.labelled([query["To"]]) if "To" in query else self._store.all()
        return [one for one in taken if query.get("From") in {None, json.loads(one.request).get("From")}]

    def _page(self, query: Mapping[str, str], page: list[Taken], size: int, *, more: bool) -> dict[str, Any]:
        number = int(query.get("Page", "0"))
        path = f"/2010-04-01/Accounts/{self._account_sid}/Messages.json"

        def uri(**position: Any) -> str:
            return f"{path}?{urlencode({**query, 'PageSize': size, **position})}"

        following = uri(Page=number + 1, PageToken=_token(page[-1])) if more else None
        return {
            "messages": [self._resource(taken) for taken in page],
            "page": number,
            "page_size": size,
            "uri": uri(Page=number),
            "first_page_uri": uri(Page=0),
            "previous_page_uri": None,
            "next_page_uri": following,
        }

    def _resource(self, taken: Taken) -> dict[str, Any]:
        form = json.loads(taken.request)
        failure = failure_of(form)
        at = format_datetime(taken.received_at)
        # https://github.com/twilio/twilio-node/issues/1081
        shown = "" if {"ContentSid", "MessagingServiceSid"} <= form.keys() else body_of(form, self._contents)
        return {
            "account_sid": self._account_sid,
            "api_version": "2010-04-01",
            "body": shown,
            "date_created": at,
            "date_sent": at,
            "date_updated": at,
            "direction": "outbound-api",
            "error_code": failure,
            "error_message": failure and "See the code",
            "from": form.get("From"),
            "messaging_service_sid": form.get("MessagingServiceSid"),
            "num_media": "0",
            "num_segments": "1",
            "price": None,
            "price_unit": "USD",
            "sid": taken.message_id,
            "status": "failed" if failure else "sent",
            "subresource_uris": {},
            "to": form["To"],
            "uri": f"/2010-04-01/Accounts/{self._account_sid}/Messages/{taken.message_id}.json",
        }

    def _received(self, taken: Taken) -> ReceivedText:
        form = json.loads(taken.request)
        callback = dict(parse_qsl(urlsplit(form.get("StatusCallback", "")).query))
        return ReceivedText(
            channel="whatsapp" if is_whatsapp(form["To"]) else "sms",
            to=form["To"].removeprefix("whatsapp:"),
            sender=form.get("MessagingServiceSid") or form["From"].removeprefix("whatsapp:"),
            body=body_of(form, self._contents),
            key=callback.get("key", ""),
            attempt_id=callback.get("attempt", ""),
            message_id=taken.message_id,
            received_at=taken.received_at,
            request=form,
        )


def _sent_on(taken: Taken, days: Mapping[str, str]) -> bool:
    """By whole days of GMT; the time of day that a client may add counts for nothing."""
    sent = taken.received_at.date()
    return all(_DATE_FILTERS[name](sent, date.fromisoformat(text[:10])) for name, text in days.items())


def _token(taken: Taken) -> str:
    return f"PA{taken.message_id}"


def _error(status: HTTPStatus, code: int, message: str) -> Reply:
    document = {
        "code": code,
        "message": message,
        "more_info": f"https://www.twilio.com/docs/errors/{code}",
        "status": status,
    }
    return Reply(status, document)
