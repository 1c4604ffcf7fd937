"""The diff's page: every day in its place, and the numbers as they are."""

from datetime import date
from pathlib import Path
from uuid import UUID
from xml.etree import ElementTree as ET

from local.policy_page import PLOT_HEIGHT, PLOT_WIDTH, chart, write_page
from nolapse.planning.policies.catalog import DraftId
from nolapse.planning.policies.diff import CHANGES, Count, Crowd, Day, PolicyDiff

DAYS = [Day(date(2026, 12, 30), 4, 0), Day(date(2027, 1, 2), 1, 8)]


def found(days: list[Day]) -> PolicyDiff:
    changes = {change: Count() for change in CHANGES} | {"gained": Count(1234, 56, 7)}
    return PolicyDiff(DraftId(UUID(int=1), 3), changes, days, [Crowd("DRAFT", 5, 12)], per_week=4)


def test_days_without_a_message_are_drawn_too() -> None:
    drawn = chart(DAYS)

    assert [day.title for day in drawn.days] == [
        "Wed 30 Dec 2026: 4 as it is, 0 by the draft",
        "Thu 31 Dec 2026: 0 as it is, 0 by the draft",
        "Fri 01 Jan 2027: 0 as it is, 0 by the draft",
        "Sat 02 Jan 2027: 1 as it is, 8 by the draft",
    ]
    assert (drawn.ceiling, drawn.step) == (8, PLOT_WIDTH / 4)
    assert [(month.title, month.left) for month in drawn.months] == [("Jan 2027", PLOT_WIDTH / 2)]


def test_the_lines_rise_with_the_counts() -> None:
    drawn = chart(DAYS)

    assert (
        drawn.active
        == f"M0 {PLOT_HEIGHT}V90.0h180.000V180.0h180.000V180.0h180.000V157.5h180.000V{PLOT_HEIGHT}"
    )
    assert drawn.draft.endswith(f"V0.0h180.000V{PLOT_HEIGHT}")


def test_the_page_says_the_numbers(tmp_path: Path) -> None:
    write_page(tmp_path / "new" / "policy.html", "ca-rn", found(DAYS))

    page = (tmp_path / "new" / "policy.html").read_text()
    svg = ET.fromstring(page[page.index("<svg") : page.index("</svg>") + 6])  # noqa: S314  our own page
    assert len(svg.findall("g[@class='column']")) == 4
    for said in (
        "Policy ca-rn: draft 3",
        "1,234",
        "<dd>56</dd>",
        "<dd>7</dd>",
        "0 → 12",
        "more than 4 messages",
    ):
        assert said in page


def test_a_draft_that_nobody_falls_under_has_a_page_without_a_chart(tmp_path: Path) -> None:
    write_page(tmp_path / "policy.html", "ca-rn", found([]))

    assert "<svg" not in (tmp_path / "policy.html").read_text()
