"""The date of a licence as a calendar event (RFC 5545)."""

from datetime import timedelta
from typing import Any

from sqlalchemy import Row

from nolapse.messages import wording
from nolapse.messages.schemas import mask

# Two weeks before, at nine: an alarm of an all-day event counts from midnight (RFC 5545 §3.8.6.3).
ALARM = timedelta(days=-14, hours=9)


def calendar_file(row: Row[Any], portal_url: str) -> bytes:
    """One all-day event; its UID is the date's own, so that adding it again changes it instead of adding another."""
    from icalendar import Alarm, Calendar, Event  # noqa: PLC0415  850 ms that only this file pays

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
    calendar = Calendar()
    calendar.add("prodid", "-//Nolapse//EN")
    calendar.add("version", "2.0")
    calendar.add("method", "PUBLISH")
    calendar.add_component(event)
    written: bytes = calendar.to_ical()
    return written
