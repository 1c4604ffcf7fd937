"""The page of a reconciliation: what was found, what became of it, and the drift of the runs before."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Engine, text

from local.pages import HERE, MAILBOX, templates, write_page
from nolapse.planning.findings import EXPLANATION, ReconcileReport

TEMPLATES = (HERE / "reconcile_templates", MAILBOX)
PLOT_WIDTH = 720
PLOT_HEIGHT = 160
MOST_RUNS = 60
MOST_LABELS = 12

PAST_RUNS = text("""
SELECT started_at, CAST(counts ->> 'drift' AS integer) AS drift
FROM scheduler_heartbeat
WHERE function = 'reconcile' AND finished_at IS NOT NULL
ORDER BY started_at DESC
LIMIT :limit
""")
NOTIFICATIONS = text("SELECT count(*) FROM notification_schedule WHERE status <> 'CANCELLED'")


@dataclass(frozen=True, slots=True)
class Run:
    """`past` are the times and drifts of the latest runs, this one included, oldest first."""

    at: datetime
    report: ReconcileReport
    notifications: int
    past: Sequence[tuple[datetime, int]]


@dataclass(frozen=True, slots=True)
class Bar:
    left: float
    width: float
    height: float
    label: str
    title: str


@dataclass(frozen=True, slots=True)
class Chart:
    bars: Sequence[Bar]
    ceiling: int
    width: int = PLOT_WIDTH
    height: int = PLOT_HEIGHT


def load_run(engine: Engine, at: datetime, report: ReconcileReport) -> Run:
    with engine.connect() as connection:
        past = connection.execute(PAST_RUNS, {"limit": MOST_RUNS}).all()
        notifications = connection.scalar(NOTIFICATIONS) or 0
    return Run(at, report, notifications, [(row.started_at, row.drift) for row in reversed(past)])


def write_reconciliation(run: Run, page: Path) -> Path:
    """Write the page, which needs no other file; what was there is replaced."""
    pages = templates(*TEMPLATES)
    findings = run.report.findings
    html = pages.get_template("reconcile.html").render(
        run=run,
        chart=_chart(run.past),
        explanation=EXPLANATION,
        found=sum(finding.found for finding in findings),
        healed=sum(finding.healed for finding in findings),
        held=sum(finding.held for finding in findings),
        left=sum(finding.left for finding in findings),
    )
    return write_page(page, html)


def _chart(past: Sequence[tuple[datetime, int]]) -> Chart:
    ceiling = max([1, *(drift for _, drift in past)])
    step = PLOT_WIDTH / max(len(past), MOST_LABELS)
    every = -(-len(past) // MOST_LABELS)
    return Chart(
        [
            Bar(
                left=number * step + step * 0.15,
                width=step * 0.7,
                height=drift / ceiling * PLOT_HEIGHT,
                label=f"{at:%b} {at.day}" if number % every == 0 else "",
                title=f"{at:%a} {at.day} {at:%b %Y %H:%M}: drift {drift:,}",
            )
            for number, (at, drift) in enumerate(past)
        ],
        ceiling,
    )
