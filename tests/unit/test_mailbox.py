"""The mailbox page shows every message once, counts honestly, and runs nothing that a message holds."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest

from local.doubles.received import ReceivedNotice
from local.mailbox import MailboxMessage, summarize, write_mailbox
from local.mailbox_charts import PLOT_HEIGHT, PLOT_WIDTH, Series, messages_per_day, messages_per_hour

OPENS = datetime(2026, 7, 1, 15, tzinfo=UTC)
MESSAGE = MailboxMessage(
    key="0" * 64,
    tenant="Cedar Valley Clinic",
    recipient="pat@example.test",
    subject="Your Registered Nurse license expires in 30 days",
    html="<!doctype html><html><body><p>Hello &amp; welcome</p></body></html>",
    text="Hello & welcome",
    channel="EMAIL",
    event="SECONDARY",
    late=False,
    license_label="Registered Nurse ••••1234",
    sent_at=OPENS + timedelta(minutes=3),
    timezone="America/Los_Angeles",
    window=(OPENS, OPENS + timedelta(hours=4)),
)
HOSTILE = """</title></style></textarea><script>alert(1)</script><img src=x onerror="alert(1)">'" {{ 7*7 }}"""


def numbered(count: int) -> list[MailboxMessage]:
    return [
        replace(
            MESSAGE,
            key=f"{number:064x}",
            recipient=f"person{number}@example.test",
            sent_at=MESSAGE.sent_at + timedelta(minutes=number),
            html=f"<p>body {number}</p>",
            text=f"body {number}",
        )
        for number in range(count)
    ]


class Page(HTMLParser):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).split())

    def each(self, tag: str) -> Iterator[dict[str, str | None]]:
        return (attributes for name, attributes in self.tags if name == tag)


def tiles(overview: Path) -> dict[str, str]:
    words = [word.strip() for word in Page(overview).words if word.strip()]
    start = words.index("Messages")
    return dict(zip(words[start : start + 12 : 2], words[start + 1 : start + 12 : 2], strict=True))


def test_every_message_is_listed_newest_first_and_has_its_page(tmp_path: Path) -> None:
    messages = numbered(1200)
    index = Page(write_mailbox(messages, tmp_path))
    links = [link["href"] or "" for link in index.each("a") if (link["href"] or "").startswith("messages/")]
    assert len(links) == 1200
    for link, message in zip(links, reversed(messages), strict=True):
        page = Page(tmp_path / link)
        (frame,) = page.each("iframe")
        assert frame["srcdoc"] == message.html
        assert message.text in page.text
        assert message.recipient in page.text
        assert message.recipient in index.text


def test_times_are_the_recipients_own(tmp_path: Path) -> None:
    index = Page(write_mailbox([MESSAGE], tmp_path))
    assert "Jul 01, 08:03 PDT" in index.text
    message = Page(tmp_path / "messages/00001.html")
    assert "Wed Jul 01, 2026, 08:03 PDT (America/Los_Angeles)" in message.text
    assert "Jul 01, 08:00 to 12:00" in message.text


def test_what_operators_were_told_is_a_page_of_its_own(tmp_path: Path) -> None:
    notice = ReceivedNotice("clinic: 2 reminders given up", "Put the cause right.", {"SECONDARY": "2"}, None,
                            MESSAGE.sent_at, {})  # fmt: skip
    assert "Operators (1)" in Page(write_mailbox([MESSAGE], tmp_path, [notice])).text
    page = Page(tmp_path / "operators.html")
    for shown in ("clinic: 2 reminders given up", "Put the cause right.", "SECONDARY"):
        assert shown in page.text
    assert "Operators" not in Page(write_mailbox([MESSAGE], tmp_path)).text


def test_a_text_message_is_shown_as_a_phone_does(tmp_path: Path) -> None:
    write_mailbox([replace(MESSAGE, channel="SMS", subject="", html="", recipient="+15550100001")], tmp_path)
    page = Page(tmp_path / "messages/00001.html")
    assert {"class": "bubble"} in page.each("p")
    assert "Hello & welcome" in page.text
    assert not list(page.each("iframe"))


def test_counts(tmp_path: Path) -> None:
    on_time = numbered(1000)
    late = replace(
        MESSAGE, key="late", late=True, sent_at=OPENS + timedelta(hours=9), tenant="Harbor Street Health"
    )
    stray = replace(MESSAGE, key="stray", sent_at=MESSAGE.window[1])
    write_mailbox([*on_time, late, stray, on_time[7]], tmp_path)
    assert tiles(tmp_path / "overview.html") == {
        "Messages": "1,003",
        "Recipients": "1,001",
        "Clinics": "2",
        "Late": "1",
        "Outside their window": str(1 + sum(not message.in_window for message in on_time)),
        "Duplicates": "1",
    }
    assert "Late" in Page(tmp_path / "index.html").text


def test_the_end_of_a_window_is_outside_it() -> None:
    opens, closes = MESSAGE.window
    at = [opens - timedelta(seconds=1), opens, closes - timedelta(microseconds=1), closes]
    assert [replace(MESSAGE, sent_at=instant).in_window for instant in at] == [False, True, True, False]


def test_no_message_yet(tmp_path: Path) -> None:
    index = Page(write_mailbox([], tmp_path))
    assert "No message has been sent yet." in index.text
    assert tiles(tmp_path / "overview.html")["Messages"] == "0"
    assert summarize([]).duplicates == 0


def test_a_message_keeps_its_page_and_departed_ones_leave(tmp_path: Path) -> None:
    messages = numbered(5)
    write_mailbox(messages[:3], tmp_path)
    earlier = {page.name: page.read_text(encoding="utf-8") for page in (tmp_path / "messages").iterdir()}
    write_mailbox(messages, tmp_path)
    assert len(list((tmp_path / "messages").iterdir())) == 5
    assert {name: (tmp_path / "messages" / name).read_text(encoding="utf-8") for name in earlier} == earlier
    write_mailbox(messages[:1], tmp_path)
    assert [page.name for page in (tmp_path / "messages").iterdir()] == ["00001.html"]


@pytest.mark.parametrize("channel", ["EMAIL", "SMS"])
def test_a_hostile_message_stays_text(tmp_path: Path, channel: str) -> None:
    hostile = replace(
        MESSAGE,
        channel=channel,
        key="../../escape",
        **dict.fromkeys(
            ("tenant", "recipient", "subject", "html", "text", "event", "license_label"), HOSTILE
        ),
    )
    notice = ReceivedNotice(HOSTILE, HOSTILE, {HOSTILE: HOSTILE}, None, MESSAGE.sent_at, {})
    write_mailbox([hostile], tmp_path, [notice])
    pages = [
        tmp_path / name for name in ("index.html", "overview.html", "operators.html", "messages/00001.html")
    ]
    assert sorted(path for path in tmp_path.rglob("*.html")) == sorted(pages)
    for path in pages:
        page = Page(path)
        assert list(page.each("script")) == (
            [{"src": "mailbox.js", "defer": None}] if path.name == "index.html" else []
        )
        assert not list(page.each("img"))
        assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
        assert "49" not in page.text


def test_a_framed_message_can_neither_run_nor_fetch(tmp_path: Path) -> None:
    write_mailbox([MESSAGE], tmp_path)
    page = Page(tmp_path / "messages/00001.html")
    (frame,) = page.each("iframe")
    assert frame["sandbox"] == "allow-popups allow-popups-to-escape-sandbox"
    (policy,) = (meta["content"] or "" for meta in page.each("meta") if "http-equiv" in meta)
    assert policy.startswith("default-src 'none'; ")
    assert "script-src" not in policy


def test_every_control_has_a_name(tmp_path: Path) -> None:
    source = write_mailbox([MESSAGE], tmp_path).read_text(encoding="utf-8")
    labels = source.split("<label")[1:]
    assert len(labels) == source.count("<input") + source.count("<select") == 5
    assert all("<input" in label or "<select" in label for label in labels)
    assert all(frame["title"] for frame in Page(tmp_path / "index.html").each("iframe"))


def test_days_without_messages_keep_their_place() -> None:
    sent = [
        (date(2026, 7, 1), "A"),
        (date(2026, 7, 1), "A"),
        (date(2026, 7, 1), "B"),
        (date(2026, 7, 4), "B"),
    ]
    chart = messages_per_day(sent, [Series("primary", "A", 2), Series("late", "B", 2)])
    assert [column.title for column in chart.columns] == [
        "Jul 1: 3 (A 2, B 1)",
        "Jul 2: 0",
        "Jul 3: 0",
        "Jul 4: 1 (B 1)",
    ]
    first = chart.columns[0].segments
    assert [segment.tone for segment in first] == ["primary", "late"]
    assert sum(segment.height for segment in first) == pytest.approx(PLOT_HEIGHT)
    assert first[-1].top == pytest.approx(0)


def test_hours_stand_on_their_window() -> None:
    chart = messages_per_hour([(8, "A"), (9, "A")], [Series("on-time", "A", 2)], (8, 12))
    assert len(chart.columns) == 24
    assert chart.band == (PLOT_WIDTH / 3, PLOT_WIDTH / 6)
    assert chart.columns[8].title == "08:00: 1 (A 1)"


def test_a_long_time_is_labelled_sparsely() -> None:
    start = date(2026, 1, 1)
    sent = [(start + timedelta(days=day), "A") for day in range(365)]
    chart = messages_per_day(sent, [Series("primary", "A", 365)])
    assert len(chart.columns) == 365
    assert 0 < sum(bool(column.label) for column in chart.columns) <= 15
