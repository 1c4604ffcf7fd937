"""The API, made of what the runtime has and the settings say."""

from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from nolapse.api.app import Rules, create_app
from nolapse.api.front import Front
from nolapse.api.identity import Verifier
from nolapse.api.pace import Pace
from nolapse.api.uploads import Uploads
from nolapse.planning.plan import Bounds, bounds
from nolapse.runtime.observability import logger, publish

if TYPE_CHECKING:
    from nolapse.runtime.bootstrap import Runtime


def make_api(runtime: "Runtime") -> Front:
    settings = runtime.settings

    def limits(now: datetime) -> Bounds:
        return bounds(now, horizon_months=settings.horizon_months, lookback_days=settings.lookback_days)

    return create_app(
        runtime.engine,
        runtime.links,
        runtime.clock.now,
        keys=lambda: runtime.key_ring,
        rules=Rules(
            verifier=Verifier(
                settings.oidc_issuer, settings.oidc_audience.split(","), str(settings.oidc_keys_url)
            ),
            pace=Pace(settings.api_per_minute, settings.api_per_tenant_minute),
            origins=settings.cors_origins.split(",") if settings.cors_origins else [],
            limits=limits,
            capacity=settings.capacity,
        ),
        portal_url=str(settings.portal_url),
        uploads=Uploads(lambda: runtime.s3, settings.imports_bucket),
        count=partial(publish, "api"),
        log=lambda event, fields: logger().info(event, extra=dict(fields)),
        meter=runtime.meter,
        depths=runtime.depths,
    )
