"""The end of the demo: what was imported, planned and sent, and what the proof says of it."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from sqlalchemy import Engine, text

from local.demo import Register
from local.proof import Proof
from nolapse.oversight.audit import verify_audit

SENT = text("""
SELECT event, channel, late, count(*) AS messages
FROM notification_schedule
JOIN notification_outbox USING (idempotency_key, scheduled_at)
WHERE outcome = 'ACCEPTED'
GROUP BY event, channel, late
ORDER BY late, event
""")
STATES = text("""
SELECT status, coalesce(reason, '') AS reason, count(*) AS rows
FROM notification_schedule
GROUP BY status, reason
ORDER BY count(*) DESC
""")
BUSIEST = text("""
SELECT CAST(scheduled_at AS date)
FROM notification_schedule
GROUP BY 1
ORDER BY count(*) DESC
LIMIT 1
""")
DRIFT = text("""
SELECT count(*) AS nights, coalesce(sum(CAST(counts ->> 'drift' AS integer)), 0) AS drift
FROM scheduler_heartbeat WHERE function = 'reconcile' AND finished_at IS NOT NULL
""")


def print_report(
    console: Console,
    engine: Engine,
    register: Register,
    imported: dict[str, Any],
    proof: Proof,
    page: Path,
    rejects: Path,
) -> None:
    with engine.connect() as connection:
        sent = connection.execute(SENT).all()
        states = connection.execute(STATES).all()
        chain = verify_audit(connection)
        busiest = connection.scalar(BUSIEST)
        nights = connection.execute(DRIFT).one()
    table = Table(
        title=f"A fortnight of virtual time, {register.start:%d %b %Y} to {register.end:%d %b %Y}",
        title_justify="left",
        show_header=False,
    )
    table.add_column()
    table.add_column(justify="right")
    table.add_column()
    _rows(table, "imported", [(imported.get("imported", 0), f"of {imported.get('read', 0):,} rows read")])
    _rows(table, "folded", [(imported.get("folded", 0), "into a later row of the same licence")])
    _rows(
        table, "rejected", [(count, reason) for reason, count in imported.get("reject_reasons", {}).items()]
    )
    _rows(table, "planned", [(sum(row.rows for row in states), "notifications, of which")])
    _rows(
        table,
        "",
        [
            (row.rows, f"{row.status.lower().replace('_', ' ')}{': ' * bool(row.reason)}{row.reason}")
            for row in states
        ],
    )
    table.add_section()
    on_time = [
        (row.messages, f"{_event(row.event)} by {row.channel.lower()}") for row in sent if not row.late
    ]
    late = [
        (row.messages, f"{_event(row.event)} by {row.channel.lower()}, “we're re-confirming”")
        for row in sent
        if row.late
    ]
    _rows(table, "[bold]sent in time[/]", on_time)
    _rows(table, "[bold]sent late[/]", late)
    _rows(
        table,
        "deferred",
        [(sum(row.rows for row in states if row.status == "DEFERRED"), "every retry spent")],
    )
    table.add_section()
    _rows(table, "[bold]proof[/]", _verdicts(proof))
    _rows(table, "", [(nights.drift, f"drift in {nights.nights} nightly reconciliations")])
    _rows(
        table,
        "",
        [
            (
                chain.entries,
                f"audit entries, chain {'[green]unbroken[/]' if chain.holds else '[red]BROKEN[/]'}",
            )
        ],
    )
    console.print(table)
    if not proof.arrived and busiest:
        console.print(
            "No reminder falls into these days; most fall on "
            f"{busiest:%d %b %Y}: make demo DATA={register.path} FROM={busiest - timedelta(days=2)}"
        )
    verdict = (
        "[bold green]Nobody missed, nobody told twice.[/]" if proof.holds else "[bold red]The proof fails.[/]"
    )
    console.print(
        Panel(
            f"{verdict}\nEvery message as its reader sees it: [link={page.as_uri()}]{page}[/]\n"
            f"Rejected rows and warnings:          {rejects}",
            expand=False,
        )
    )
    for what, key in proof.wrong[:10]:
        console.print(f"[red]{what}: {key}[/]")


def _rows(table: Table, heading: str, rows: list[tuple[int, str]]) -> None:
    for number, (count, what) in enumerate(rows or [(0, "")]):
        table.add_row("" if number else heading, f"{count:,}", what)


def _event(event: str) -> str:
    return event.lower().replace("_", " ")


def _verdicts(proof: Proof) -> list[tuple[int, str]]:
    def judged(count: int, what: str) -> tuple[int, str]:
        return count, f"{'[green]✓[/]' if not count else '[red]✗[/]'} {what}"

    return [
        (proof.expected, "due, recomputed by the pure-Python twin"),
        (proof.arrived, "arrived at the provider"),
        judged(proof.missed, "missed"),
        judged(proof.duplicates, "duplicates"),
        judged(proof.outside, "outside the recipient's window or in quiet hours"),
        judged(proof.crowded, "late ones too close together for one person"),
        judged(proof.unexpected, "that nothing called for"),
    ]
