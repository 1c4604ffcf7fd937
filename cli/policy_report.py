"""What `nolapse policy` prints."""

from collections.abc import Sequence
from typing import Any

from rich.console import RenderableType
from rich.table import Table

from nolapse.planning.plan import PlanReport
from nolapse.planning.policies.catalog import Entry
from nolapse.planning.policies.diff import CHANGES, PolicyDiff
from nolapse.planning.policies.load import Change, Loaded

STATUS = {"ACTIVE": "[green]active[/]", "DRAFT": "[yellow]draft[/]", None: "[dim]none[/]"}
MOST_DAYS = 5


def entries_table(listed: Sequence[Entry]) -> Table:
    table = Table(title="Policies", title_justify="left")
    for heading in ("Name", "For", "Version", "Since", "Steps", "Window", "Working days"):
        table.add_column(heading)
    for entry in listed:
        table.add_row(
            entry.name,
            _kind(entry),
            f"{entry.version or ''} {STATUS[entry.status]}".strip(),
            f"{entry.activated_at:%Y-%m-%d}" if entry.activated_at else "",
            ", ".join(_step(step) for step in entry.steps or ()),
            f"{entry.opens:%H:%M}-{entry.closes:%H:%M}" if entry.version else "",
            f"{entry.business_days.lower()}, {entry.holidays}" if entry.holidays else "",
        )
    return table


def loaded_table(loaded: Sequence[Loaded]) -> Table:
    table = Table(title="Loaded", title_justify="left")
    for heading in ("Policy", "", "Draft to activate"):
        table.add_column(heading)
    for one in loaded:
        change = f"[yellow]{one.change}[/]" if one.change is Change.DRAFTED else one.change
        table.add_row(one.name, change, f"version {one.draft.version}" if one.draft else "")
    return table


def diff_report(name: str, found: PolicyDiff) -> Sequence[RenderableType]:
    if found.touches_nothing:
        return [
            f"[yellow]![/] no date falls under {name}: are its license_type and state what the register says?"
        ]
    return [changes_table(name, found), _days_table(found), _crowd_table(found)]


def changes_table(name: str, found: PolicyDiff) -> Table:
    table = Table(title=f"{name}: draft {found.draft.version} beside what is active", title_justify="left")
    table.add_column("Notifications")
    table.add_column("")
    table.add_column("messages", justify="right")
    table.add_column("people", justify="right")
    table.add_column("late, at once", justify="right")
    for change, count in found.changes.items():
        table.add_row(
            change, f"[dim]{CHANGES[change]}[/]", f"{count.messages:,}", f"{count.people:,}",
            f"[red]{count.late:,}[/]" if count.late else "",
        )  # fmt: skip
    return table


def planned_table(title: str, report: PlanReport) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("Notifications")
    table.add_column("now")
    table.add_column("rows", justify="right")
    for (change, status), rows in sorted(report.rows.items()):
        table.add_row(change, status.replace("_", " ").lower(), f"{rows:,}")
    if not report.rows:
        table.add_row("as they were", "", "")
    return table


def _days_table(found: PolicyDiff) -> Table:
    table = Table(title="Fullest local days", title_justify="left")
    table.add_column("Day")
    table.add_column("active", justify="right")
    table.add_column("draft", justify="right")
    for day in sorted(found.days, key=lambda day: -max(day.active, day.draft))[:MOST_DAYS]:
        table.add_row(f"{day.on_date:%a %d %b %Y}", f"{day.active:,}", f"{day.draft:,}")
    table.add_row("in all", f"{found.messages('ACTIVE'):,}", f"{found.messages('DRAFT'):,}", style="bold")
    return table


def _crowd_table(found: PolicyDiff) -> Table:
    title = f"People with more than {found.per_week} messages in seven days"
    table = Table(title=title, title_justify="left")
    table.add_column("messages")
    table.add_column("active", justify="right")
    table.add_column("draft", justify="right")
    people = {(crowd.messages, crowd.side): crowd.people for crowd in found.crowds}
    for messages in sorted({crowd.messages for crowd in found.crowds}):
        table.add_row(
            str(messages),
            f"{people.get((messages, 'ACTIVE'), 0):,}",
            f"{people.get((messages, 'DRAFT'), 0):,}",
        )
    table.add_row("in all", f"{found.crowded('ACTIVE'):,}", f"{found.crowded('DRAFT'):,}", style="bold")
    return table


def _kind(entry: Entry) -> str:
    kind = [entry.occasion.replace("_", " ").lower(), entry.license_type, entry.state]
    return " ".join(part for part in kind if part) + (f" at {entry.tenant}" if entry.tenant else "")


def _step(step: dict[str, Any]) -> str:
    return f"{step['event']} {step['days']:+}" if step["days"] else f"{step['event']} on the day"
