"""The read model of renewals, brought up to date."""

from sqlalchemy import Engine, text

from nolapse.storage.engine import transaction


def refresh_renewals(engine: Engine) -> None:
    """Without keeping readers out: https://www.postgresql.org/docs/18/sql-refreshmaterializedview.html."""
    with transaction(engine, "renewals") as connection:
        connection.execute(text("REFRESH MATERIALIZED VIEW CONCURRENTLY license_renewal_view"))
