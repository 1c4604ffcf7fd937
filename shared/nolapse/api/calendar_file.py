"""Dates of licences as calendar events (RFC 5545)."""

from collections.abc import Iterable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row

from nolapse.messages import wording

if TYPE_CHECKING:
    from icalendar import Event

# Two weeks before, at nine: an alarm of an all-day event counts from midnight (RFC 5545 §3.8.6.3).
ALARM = timedelta(days=-14, hours=9)


def calendar_of(rows: Iterable[Row[Any]], portal_url: str) -> bytes:
    """An all-day event each; its UID is the date's own, so that adding it again changes it and adds none."""
    from icalendar import Calendar  # noqa: PLC0415  850 ms that only calendars pay

    calendar = Calendar()
    calendar.add("prodid", "-//Nolapse//EN")
    calendar.add("version", "2.0")
    calendar.add("method", "PUBLISH")
    for row in rows:
        calendar.add_component(_event(row, portal_url))
    written: bytes = calendar.to_ical()
    return written


def _event(row: Row[Any], portal_url: str) -> "Event":
    from icalendar import Alarm, Event  # noqa: PLC0415  the same

    from nolapse.messages.schemas import mask  # noqa: PLC0415  the same

    named = wording.credential(row.license_type)
    whose = "" if row.is_holder else f"{row.holder_name}: "
    state = f"{row.state} " if row.state else ""
    title = f"{whose}{named} expires ({state}{mask(row.license_number)})"

    alarm = Alarm()
    alarm.add("action", "DISPLAY")
    alarm.add("description", title)
    alarm.add("trigger", ALARM)
    event = Event()
    event.add("uid", f"{row.license_id}-{row.occurrence}@nolapse")
    event.add("dtstamp", row.updated_at)
    event.add("dtstart", row.occasion_date)
    event.add("dtend", row.occasion_date + timedelta(days=1))
    event.add("summary", title)
    event.add("description", f"Renew with your licensing board, then record the new date: {portal_url}")
    event.add("url", portal_url)
    event.add("transp", "TRANSPARENT")
    event.add_component(alarm)
    return event
