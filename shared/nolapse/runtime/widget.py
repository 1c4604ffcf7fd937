"""Tables as the HTML of a CloudWatch custom widget: no script, and a question before anything is changed.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/add_custom_widget_dashboard_about.html
"""

import json
from collections.abc import Sequence
from html import escape
from itertools import zip_longest

from nolapse.runtime.reports import Button, Table


def html(tables: Sequence[Table], *, endpoint: str) -> str:
    """`endpoint`: ARN of the function that answers the buttons."""
    return "".join(_table(table, endpoint) for table in tables)


def _table(table: Table, endpoint: str) -> str:
    note = f"<p>{escape(table.note)}</p>" if table.note else ""
    if not table.rows:
        return f"<h3>{escape(table.title)}</h3>{note}"
    headings = "".join(f"<th>{escape(heading)}</th>" for heading in table.headings)
    rows = "".join(
        f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}{_buttons(buttons, endpoint)}</tr>"
        for row, buttons in zip_longest(table.rows, table.buttons, fillvalue=())
    )
    return f"<h3>{escape(table.title)}</h3><table><tr>{headings}</tr>{rows}</table>{note}"


def _buttons(buttons: Sequence[object], endpoint: str) -> str:
    pressed = [_button(button, endpoint) for button in buttons if isinstance(button, Button)]
    return f"<td>{' '.join(pressed)}</td>" if pressed else ""


def _button(button: Button, endpoint: str) -> str:
    return (
        f'<a class="btn">{escape(button.label)}</a>'
        f'<cwdb-action action="call" endpoint="{escape(endpoint)}" confirmation="{escape(button.question)}">'
        f"{escape(json.dumps(dict(button.event)), quote=False)}</cwdb-action>"
    )
