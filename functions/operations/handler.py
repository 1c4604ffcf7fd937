"""What operators do by hand, as a custom widget of the CloudWatch dashboard: an action in, its table as HTML out.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/add_custom_widget_dashboard_about.html
"""

from typing import Any

from nolapse.runtime.bootstrap import runtime
from nolapse.runtime.operations import DESCRIPTION, operate
from nolapse.runtime.widget import html


def handler(event: dict[str, Any], context: Any) -> Any:
    if event.get("describe"):
        return {"markdown": DESCRIPTION}
    made = runtime()
    tables = operate(made, event, now=made.clock.now())
    made.meter.flush(made.engine)
    return html(tables, endpoint=context.invoked_function_arn)
