"""The mailbox page: every message sent on this machine, as its reader sees it, in static HTML."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

from jinja2 import Environment

from local.doubles.received import ReceivedNotice
from local.mailbox_charts import Chart, Series, messages_per_day, messages_per_hour
from local.pages import MAILBOX, templates

TONES = {"PRIMARY": "primary", "SECONDARY": "secondary", "PAST_DUE": "past-due"}


@dataclass(frozen=True)
class MailboxMessage:
    """`sent_at` and `window` (start, end; end excluded) are aware instants; `html` is empty for an SMS."""

    key: str
    tenant: str
    recipient: str
    subject: str
    html: str
    text: str
    channel: Literal["EMAIL", "SMS"]
    event: str
    late: bool
    license_label: str
    sent_at: datetime
    timezone: str
    window: tuple[datetime, datetime]

    @cached_property
    def sent_locally(self) -> datetime:
        return self._local(self.sent_at)

    @cached_property
    def window_locally(self) -> tuple[datetime, datetime]:
        start, end = self.window
        return self._local(start), self._local(end)

    @property
    def in_window(self) -> bool:
        start, end = self.window
        return start <= self.sent_at < end

    @property
    def event_name(self) -> str:
        return self.event.replace("_", " ").capitalize()

    @property
    def tone(self) -> str:
        return TONES.get(self.event, "other")

    def _local(self, instant: datetime) -> datetime:
        return instant.astimezone(ZoneInfo(self.timezone))


@dataclass(frozen=True, slots=True)
class Summary:
    messages: int
    recipients: int
    tenants: int
    late: int
    outside_window: int
    duplicates: int


def summarize(messages: Sequence[MailboxMessage]) -> Summary:
    """A late message has no window left to lie in: it counts as late, never as outside its window."""
    return Summary(
        messages=len(messages),
        recipients=len({message.recipient for message in messages}),
        tenants=len({message.tenant for message in messages}),
        late=sum(message.late for message in messages),
        outside_window=sum(not message.late and not message.in_window for message in messages),
        duplicates=len(messages) - len({message.key for message in messages}),
    )


def write_mailbox(
    messages: Sequence[MailboxMessage], target: Path, notices: Sequence[ReceivedNotice] = ()
) -> Path:
    """Write the page and give the path of its index; what an earlier call left there is replaced.

    `notices`: what operators were told.
    """
    # Oldest first, so that a message keeps its file as later ones arrive.
    ordered = sorted(messages, key=lambda message: (message.sent_at, message.key))
    files = [(f"messages/{number:05}.html", message) for number, message in enumerate(ordered, start=1)]
    pages = templates(MAILBOX)
    (target / "messages").mkdir(parents=True, exist_ok=True)
    for name in ("mailbox.css", "mailbox.js"):
        _replace(target / name, (MAILBOX / name).read_text(encoding="utf-8"))
    message_page = pages.get_template("message.html")
    for file, message in files:
        _replace(target / file, message_page.render(message=message))
    _remove_others(target / "messages", {Path(file).name for file, _ in files})
    _replace(target / "overview.html", _overview(pages, ordered))
    told = sorted(notices, key=lambda notice: notice.received_at, reverse=True)
    _replace(target / "operators.html", pages.get_template("operators.html").render(notices=told))
    index = pages.get_template("index.html").render(
        notices=told,
        files=files[::-1],
        tenants=sorted({message.tenant for message in ordered}),
        events=dict(sorted({message.event: message.event_name for message in ordered}.items())),
        channels=sorted({message.channel for message in ordered}),
    )
    return _replace(target / "index.html", index)


def _overview(pages: Environment, messages: Sequence[MailboxMessage]) -> str:
    sent = [(message.sent_locally, message) for message in messages]
    charts: list[Chart] = []
    if sent:
        by_event = Counter((message.tone, message.event_name) for message in messages)
        series = [Series(tone, name, count) for (tone, name), count in by_event.most_common()]
        late = summarize(messages).late
        charts = [
            messages_per_day([(when.date(), message.event_name) for when, message in sent], series),
            messages_per_hour(
                [(when.hour, "Late" if message.late else "On time") for when, message in sent],
                [Series("on-time", "On time", len(sent) - late), Series("late", "Late", late)],
                _usual_window(messages),
            ),
        ]
    return pages.get_template("overview.html").render(summary=summarize(messages), charts=charts)


def _usual_window(messages: Sequence[MailboxMessage]) -> tuple[int, int]:
    """The local hours (from, until) of the commonest window: the band that the hours are drawn on."""
    hours = Counter((start.hour, end.hour) for start, end in (message.window_locally for message in messages))
    return hours.most_common(1)[0][0]


def _remove_others(folder: Path, kept: set[str]) -> None:
    for page in folder.glob("*.html"):
        if page.name not in kept:
            page.unlink()


def _replace(path: Path, content: str) -> Path:
    # The folder may be being served: a reader sees the old page or the new one, never half of one.
    draft = path.with_suffix(path.suffix + ".part")
    draft.write_text(content, encoding="utf-8")
    return draft.replace(path)
