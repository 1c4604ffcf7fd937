"""The page of a simulation: what its reader must be able to see and to hear."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from local.simulate_page import Simulation, chart, write_simulation
from nolapse.domain.feasibility import Demand, outlook

START = datetime(2027, 1, 1, tzinfo=UTC)
MORNING, FOUR_HOURS = timedelta(hours=13), timedelta(hours=4)


def a_day(number: int, messages: int) -> Demand:
    opens = START + timedelta(days=number) + MORNING
    return Demand(opens, opens + FOUR_HOURS, messages)


def simulation(*demands: Demand, per_minute: int, days: int = 30) -> Simulation:
    seen = {"EMAIL": outlook(demands, per_minute)} if demands else {}
    return Simulation(START, START + timedelta(days=days), "one mailbox", seen)


def page(made: Simulation, folder: Path) -> str:
    return write_simulation(made, folder / "deep" / "page.html").read_text(encoding="utf-8")


def test_days_that_will_not_fit_are_marked_said_and_listed(tmp_path: Path) -> None:
    html = page(simulation(a_day(3, 250), a_day(5, 240), per_minute=1), tmp_path)

    assert html.count('class="column"') == 2
    assert html.count('class="mark" x=') == 1
    assert "Mon 4 Jan 2027: 250 messages, 10 of them late; the senders carry 240 in its windows" in html
    assert "Will not fit: 1 day<" in html
    assert re.search(r'<th scope="row">Mon 4 Jan 2027</th><td>13:00.17:00</td>.*>250<.*>10<', html)
    assert html.count('class="capacity"') == 2


def test_a_capacity_far_above_the_bars_is_named_and_not_drawn(tmp_path: Path) -> None:
    html = page(simulation(a_day(3, 10), per_minute=30), tmp_path)

    assert 'class="capacity"' not in html
    assert "The senders carry 7,200 or more a day, above this scale" in html
    assert "What will not fit" not in html


def test_a_draft_is_named_beside_what_goes_without_it(tmp_path: Path) -> None:
    made = simulation(a_day(3, 250), per_minute=30)
    before = {"EMAIL": outlook([a_day(3, 111)], 30)}

    html = page(replace(made, draft="<b>CA & RN</b>", before=before), tmp_path)

    assert "under the draft of “&lt;b&gt;CA &amp; RN&lt;/b&gt;”" in html
    assert "<dt>Without the draft</dt><dd>111</dd>" in html


def test_a_stretch_without_messages_says_so(tmp_path: Path) -> None:
    assert "No date calls for a message" in page(simulation(per_minute=30), tmp_path)


@pytest.mark.parametrize("days", [1, 10, 45, 46, 365, 5 * 366])
def test_labels_never_crowd_each_other(days: int) -> None:
    made = simulation(a_day(0, 5), per_minute=30, days=days)

    places = [place for place, _ in chart("EMAIL", made.channels["EMAIL"], made.days).labels]

    assert places
    assert all(after - before > 45 for before, after in pairwise(places))
