"""/metrics: what all instances did and how things stand, as Prometheus reads it, and the same as JSON.

Counters and histograms are PostgreSQL's totals, so they are right whichever instance answers, and are added up where
it happens. No label names a tenant, a person or a path: only routes, statements, channels, vendors and functions.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from http import HTTPStatus
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from sqlalchemy import Engine

from nolapse.api.health import FUNCTIONS, Watched, pool
from nolapse.api.v1 import JSON, OF_READS, responses
from nolapse.delivery.depths import Depth
from nolapse.storage.meter import BOUNDS, DELIVERY, LATENESS, QUERY, REQUEST
from nolapse.storage.statements import statement

if TYPE_CHECKING:
    from prometheus_client.core import Metric

# Entries of the audit log that one scrape counts at most; the next goes on.
MOST_ENTRIES = 100_000
STATES = {"CLOSED": 0, "HALF_OPEN": 1, "OPEN": 2}
# Metric -> what it says, its labels.
COUNTERS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "messages_sent": ("Messages that a provider took", ("channel", "provider")),
    "messages_failed": ("Messages given up (DEFERRED) or given back (BOUNCED)", ("channel", "provider", "status")),
    "missed_windows": ("Notifications whose window closed before they left", ()),
}  # fmt: skip
HISTOGRAMS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    DELIVERY: ("From the claim by scan to the provider's yes", ("channel", "provider")),
    LATENESS: ("After the promised window's end; 0: within it or before", ("channel", "provider")),
    QUERY: ("Statements by name, rows not yet read", ("statement",)),
    REQUEST: ("Requests in the handler", ("method", "route", "status_code")),
}

QUEUES: Mapping[str, tuple[str, Callable[[Depth], int]]] = {
    "queue_depth_total": ("Messages on the queue", lambda it: it.visible + it.in_flight + it.delayed),
    "queue_messages_visible_total": ("Messages that wait", lambda it: it.visible),
    "queue_messages_in_flight_total": ("Messages that a function has", lambda it: it.in_flight),
    "queue_messages_delayed_total": ("Messages that do not wait yet", lambda it: it.delayed),
}

Totals = Mapping[str, Mapping[tuple[str, ...], tuple[list[int], float]]]


def add_routes(app: APIGatewayHttpResolver, watched: Watched) -> None:
    described: dict[str, Any] = {
        "tags": ["operators"],
        "responses": responses(HTTPStatus.OK, OF_READS),
        "security": [{"oidc": []}],
    }

    @app.get(
        "/metrics",
        summary="Metrics, as Prometheus reads them",
        description="The text format 0.0.4.",
        operation_id="get_metrics",
        **described,
    )
    def as_text() -> Response[str]:
        from prometheus_client import CollectorRegistry  # noqa: PLC0415  only a scrape pays
        from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest  # noqa: PLC0415  the same

        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Collected(list(collect(watched))))
        return Response(HTTPStatus.OK, CONTENT_TYPE_PLAIN_0_0_4, generate_latest(registry).decode())

    @app.get(
        "/metrics/json",
        summary="Metrics, as JSON",
        description="The same numbers, by name: type, what it says, samples with their labels.",
        operation_id="get_metrics_as_json",
        **described,
    )
    def as_json() -> Response[Any]:
        families = {
            family.name: {
                "type": family.type,
                "help": family.documentation,
                "samples": [
                    {"name": it.name, "labels": it.labels, "value": it.value} for it in family.samples
                ],
            }
            for family in collect(watched)
        }
        return Response(HTTPStatus.OK, JSON, {"metrics": families})


class _Collected:
    """A registry's collector of what was already collected."""

    def __init__(self, families: "list[Metric]") -> None:
        self._families = families

    def collect(self) -> "list[Metric]":
        return self._families


def collect(watched: Watched) -> "Iterator[Metric]":
    """Raises QueueUnreachable, DBAPIError."""
    from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily  # noqa: PLC0415  only a scrape pays

    totals, state = _read(watched.engine)
    yield from _queues(watched.depths())
    for name, (says, labels) in COUNTERS.items():
        counter = CounterMetricFamily(name, says, labels=labels)
        for values, ((count,), _) in totals.get(name, {}).items():
            counter.add_metric(values, count)
        yield counter
    requests = CounterMetricFamily("http_requests", "Requests answered", labels=HISTOGRAMS[REQUEST][1])
    for values, (buckets, _) in totals.get(REQUEST, {}).items():
        requests.add_metric(values, sum(buckets))
    yield requests
    for name, (says, labels) in HISTOGRAMS.items():
        histogram = HistogramMetricFamily(name, says, labels=labels)
        for values, (buckets, total) in totals.get(name, {}).items():
            named = zip([*map(str, BOUNDS[name]), "+Inf"], accumulate(buckets), strict=True)
            histogram.add_metric(values, buckets=list(named), sum_value=total)
        yield histogram
    yield from _state(state)
    yield from _connections(state, watched.engine)


def _read(engine: Engine) -> tuple[Totals, Any]:
    with engine.begin() as connection:
        connection.execute(
            statement("fold_messages"),
            {
                "most": MOST_ENTRIES,
                "delivery_bounds": list(BOUNDS[DELIVERY]),
                "lateness_bounds": list(BOUNDS[LATENESS]),
            },
        )
    with engine.connect() as connection:
        rows = connection.execute(statement("read_totals")).all()
        state = connection.execute(statement("operating_state"), {"functions": list(FUNCTIONS)}).one()
    labels = {name: names for name, (_, names) in {**COUNTERS, **HISTOGRAMS}.items()}
    totals: dict[str, dict[tuple[str, ...], tuple[list[int], float]]] = {}
    for row in rows:
        if row.metric not in labels:
            continue  # of a version of the code that is not this one
        series = totals.setdefault(row.metric, {})
        values = tuple(row.labels[name] for name in labels[row.metric])
        buckets, total = series.get(values, ([0] * len(row.buckets), 0.0))
        series[values] = (
            [before + more for before, more in zip(buckets, row.buckets, strict=True)],
            total + row.total,
        )
    return totals, state


def _queues(found: Sequence[Depth]) -> "Iterator[Metric]":
    from prometheus_client.core import GaugeMetricFamily  # noqa: PLC0415  only a scrape pays

    for name, (says, number) in QUEUES.items():
        gauge = GaugeMetricFamily(name, says, labels=["queue"])
        for depth in found:
            gauge.add_metric([depth.queue], number(depth))
        yield gauge


def _state(state: Any) -> "Iterator[Metric]":
    from prometheus_client.core import GaugeMetricFamily  # noqa: PLC0415  only a scrape pays

    circuits = GaugeMetricFamily("circuit_breaker_state", "0 closed, 1 half-open, 2 open", labels=["service"])
    for circuit in state.circuits:
        circuits.add_metric([circuit["service"]], STATES[circuit["state"]])
    yield circuits
    yield GaugeMetricFamily(
        "tenant_circuits_open",
        "Tenants' own endpoints and senders out of reach",
        value=state.tenant_circuits_open,
    )
    runs = GaugeMetricFamily(
        "run_last_success_timestamp_seconds", "When a run last ended well", labels=["function"]
    )
    for beat in state.heartbeats:
        if beat["finished_at"]:
            runs.add_metric([beat["function"]], datetime.fromisoformat(beat["finished_at"]).timestamp())
    yield runs
    drift = GaugeMetricFamily(
        "schedule_drift", "Rows that the last reconciliation found not as they should be"
    )
    if state.drift is not None:
        drift.add_metric([], state.drift)
    yield drift


def _connections(state: Any, engine: Engine) -> "Iterator[Metric]":
    from prometheus_client.core import GaugeMetricFamily  # noqa: PLC0415  only a scrape pays

    opened = GaugeMetricFamily("db_connections_open", "Of all instances, by role", labels=["role"])
    for role, number in state.connections.items():
        opened.add_metric([role], number)
    yield opened
    own = pool(engine)
    for name, says, number in (
        ("db_connections_max", "That the server lets in", state.most_connections),
        ("db_connections_in_use", "Of the instance that answers", own.in_use),
        ("db_connections_idle", "Of the instance that answers", own.idle),
    ):
        yield GaugeMetricFamily(name, says, value=number)
