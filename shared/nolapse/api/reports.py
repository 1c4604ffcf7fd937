"""/v1/reports: a tenant's deliveries, lateness, conversion and coming weeks; to the operator, the drift of the base."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Annotated, Any, Literal

from aws_lambda_powertools.event_handler.openapi.params import Query
from pydantic import AwareDatetime, Field
from sqlalchemy import TIMESTAMP, Row, Text, Uuid, column, table, types

from nolapse.api.errors import Unprocessable
from nolapse.api.listing import Listing, Page
from nolapse.api.schemas import Instant, Listed, Model
from nolapse.api.v1 import V1
from nolapse.domain.senders import NOTHING_OWN
from nolapse.domain.states import Status
from nolapse.oversight.conversion import conversion
from nolapse.planning.findings import Kind
from nolapse.planning.forecast import FORECAST_DAYS, end_of_day, outlooks
from nolapse.storage.senders import read_sending
from nolapse.storage.statements import statement

LONGEST = timedelta(days=400)
USUAL = timedelta(days=30)
RUN = table(
    "scheduler_heartbeat",
    column("run_id", Uuid),
    column("function", Text),
    *(column(name, TIMESTAMP(timezone=True)) for name in ("started_at", "finished_at")),
    column("counts", types.JSON),
)
RUNS = Listing(
    table=RUN,
    key=RUN.c.run_id,
    sorts={"started_at": RUN.c.started_at},
    standing=(RUN.c.function == "reconcile") & RUN.c.finished_at.is_not(None),
)
Since = Annotated[
    Instant | None,
    Query(description="windows that opened then or later; left out: 30 days before `until`"),
]
Until = Annotated[Instant | None, Query(description="windows that opened before then; left out: now")]


class Period(Model):
    since: AwareDatetime
    until: AwareDatetime


class Delivered(Model):
    occasion: str
    event: str
    channel: str | None
    status: Status
    late: bool
    messages: int


class Deliveries(Period):
    deliveries: list[Delivered]


class Lateness(Model):
    occasion: str
    event: str
    sent: int
    in_window: int
    late: int
    median_late_seconds: float | None = Field(description="after the window's end; null: nothing was late")
    most_late_seconds: float | None


class LatenessReport(Period):
    lateness: list[Lateness]


class Converted(Model):
    event: str
    sent: int
    answered: int
    renewed: int
    in_progress: int
    not_mine: int
    median_seconds: float | None = Field(
        description="from leaving to the first answer; null: nobody answered"
    )


class ConversionReport(Period):
    conversion: list[Converted]


class ForecastDay(Model):
    on: date
    messages: int
    late: int = Field(description="that will not fit into their windows")
    capacity: int = Field(description="what can leave for one tenant while a window is open")


class ChannelForecast(Model):
    channel: str
    messages: int
    late: int
    days: list[ForecastDay]


class Forecast(Period):
    channels: list[ChannelForecast]


class Drift(Page):
    sort: Literal["started_at", "-started_at"] = Field(
        default="-started_at", description="a minus: the latest first"
    )


class DriftRun(Model):
    """One reconciliation of the whole base."""

    started_at: AwareDatetime
    finished_at: AwareDatetime
    drift: int = Field(description="rows that were not what the dates call for")
    unhealed: int
    findings: dict[Kind, int]


def add_routes(v1: V1) -> None:
    @v1.route("GET", "/v1/reports/deliveries")
    def get_deliveries(since: Since = None, until: Until = None) -> Deliveries:
        """Count notifications by event, channel and state."""
        period = _period(v1, since, until)
        rows = _rows(v1, "report_deliveries", period)
        return Deliveries(**period, deliveries=[Delivered.model_validate(dict(row)) for row in rows])

    @v1.route("GET", "/v1/reports/lateness")
    def get_lateness(since: Since = None, until: Until = None) -> LatenessReport:
        """Measure when messages left against the windows that were promised."""
        period = _period(v1, since, until)
        rows = _rows(v1, "report_lateness", period)
        return LatenessReport(**period, lateness=[Lateness.model_validate(dict(row)) for row in rows])

    @v1.route("GET", "/v1/reports/conversion")
    def get_conversion(since: Since = None, until: Until = None) -> ConversionReport:
        """Count what reminders were answered with, and how soon."""
        period = _period(v1, since, until)
        found = conversion(v1.connection, since=period["since"], until=period["until"])
        return ConversionReport(
            **period,
            conversion=[
                Converted(
                    event=each.event,
                    sent=each.sent,
                    answered=each.answered,
                    renewed=each.renewed,
                    in_progress=each.in_progress,
                    not_mine=each.not_mine,
                    median_seconds=each.median_time and each.median_time.total_seconds(),
                )
                for each in found
            ],
        )

    @v1.route("GET", "/v1/reports/forecast")
    def get_forecast() -> Forecast:
        """Look whether what waits for the coming two weeks can leave in time, at your pace and by your senders."""
        until = end_of_day(v1.now, FORECAST_DAYS)
        rows = v1.connection.execute(statement("forecast"), {"now": v1.now, "until": until}).all()
        own = read_sending(v1.connection, [v1.principal.tenant_id]).get(v1.principal.tenant_id, NOTHING_OWN)
        windows = [window for _, *window in rows]
        return Forecast(
            since=v1.now,
            until=until,
            channels=[
                ChannelForecast(
                    channel=channel,
                    messages=look.messages,
                    late=look.late,
                    days=[
                        ForecastDay(on=day.on, messages=day.messages, late=day.late, capacity=day.capacity)
                        for day in look.days
                    ],
                )
                for channel, look in sorted(outlooks(windows, v1.outside.capacity.of(own)).items())
            ],
        )

    @v1.route("GET", "/v1/reports/drift")
    def list_drift(asked: Annotated[Drift, Query()]) -> Listed[DriftRun]:
        """List what reconciliations of the base found.

        For the operator's Admins: the counts are of all tenants.
        """
        v1.require_operator()
        rows, following = RUNS.page(v1.connection, v1.keys, v1.now, asked, asked.sort)
        return Listed[DriftRun](items=[_run(row) for row in rows], next=following)


def _period(v1: V1, since: datetime | None, until: datetime | None) -> dict[str, datetime]:
    end = until or v1.now
    start = since or end - USUAL
    if not timedelta(0) < end - start <= LONGEST:
        raise Unprocessable.of("since", f"lies before `until`, by {LONGEST.days} days at most")
    return {"since": start, "until": end}


def _rows(v1: V1, report: str, period: Mapping[str, datetime]) -> list[Any]:
    asked = {**period, "tenant_id": v1.principal.tenant_id}
    return list(v1.connection.execute(statement(report), asked).mappings())


def _run(row: Row[Any]) -> DriftRun:
    counts = row.counts
    return DriftRun(
        started_at=row.started_at,
        finished_at=row.finished_at,
        drift=counts.get("drift", 0),
        unhealed=counts.get("unhealed", 0),
        findings={kind: counts[kind.value] for kind in Kind if kind.value in counts},
    )
