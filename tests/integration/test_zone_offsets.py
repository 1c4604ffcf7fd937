"""The zone table that SQL joins: all zones of the pinned tzdata, and the offset that zoneinfo would give."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import tzdata
from sqlalchemy import text

from nolapse.domain.zones import pinned_zone, zone_names
from nolapse.storage.zones import load_zones, zone_periods
from tests.conftest import Database
from tests.integration.conftest import Register

SECOND = timedelta(seconds=1)
# The look-up of storage/sql/expected.sql.
LOOK_UP = text("""
SELECT given.zone, given.local, extract(epoch FROM at_local.utc_offset)::integer AS seconds
FROM unnest(CAST(:zones AS text[]), CAST(:locals AS timestamp[])) AS given (zone, local)
LEFT JOIN LATERAL (
  SELECT utc_offset FROM zone_offset
  WHERE zone_offset.zone = given.zone AND local_from <= given.local
  ORDER BY local_from DESC LIMIT 1
) AS at_local ON true
""")


def around_every_change(zone: str) -> Iterator[datetime]:
    for period in zone_periods(zone):
        if 1970 <= period.local_from.year <= 2100:
            yield from (period.local_from + step * SECOND for step in (-1, 0, 1))


def test_sql_finds_the_offset_that_zoneinfo_gives_around_every_change(database: Database) -> None:
    moments = [(zone, local) for zone in sorted(zone_names()) for local in around_every_change(zone)]
    assert len(moments) > 100_000
    with database.engine.connect() as connection:
        found = connection.execute(
            LOOK_UP,
            {"zones": [zone for zone, _ in moments], "locals": [local.isoformat() for _, local in moments]},
        ).all()
    wrong = [
        (zone, local, seconds)
        for zone, local, seconds in found
        if timedelta(seconds=seconds) != pinned_zone(zone).utcoffset(local)
    ]
    assert len(found) == len(moments)
    assert wrong == []


def test_every_zone_is_covered_from_the_first_to_the_last_day_without_a_gap(register: Register) -> None:
    assert {zone for (zone,) in register.rows("SELECT zone FROM zone")} == zone_names()
    assert register.rows("""
        SELECT zone, local_from FROM (
          SELECT zone, local_from, local_until,
            lag(local_until, 1, '-infinity') OVER own AS before, lead(local_from, 1, 'infinity') OVER own AS after
          FROM zone_offset WINDOW own AS (PARTITION BY zone ORDER BY local_from)
        ) AS neighbours
        WHERE local_from <> before OR local_until <> after""") == []  # fmt: skip


def test_loading_what_is_current_writes_nothing(database: Database) -> None:
    with database.engine.begin() as connection:
        assert load_zones(connection) == 0


def test_another_version_is_replaced_whole_and_people_keep_their_zones(register: Register) -> None:
    tenant = register.tenant(timezone="America/Denver")
    register.execute("INSERT INTO zone (zone) VALUES ('Old/Town')")
    register.clinician(tenant, timezone="Old/Town")
    register.execute("UPDATE zone_offset SET tzdata_version = '1999a', utc_offset = '1 hour'")
    register.execute("DELETE FROM zone_offset WHERE zone = 'America/Denver'")
    register.execute("INSERT INTO zone_offset VALUES ('Old/Town', '-infinity', 'infinity', '-4:56', '1999a')")

    with register.database.engine.begin() as connection:
        written = load_zones(connection)

    assert register.rows("SELECT count(*), count(DISTINCT zone) FROM zone_offset") == [
        (written, len(zone_names()))
    ]
    assert register.rows("SELECT DISTINCT tzdata_version FROM zone_offset") == [(tzdata.IANA_VERSION,)]
    assert register.rows("SELECT timezone FROM clinicians") == [("Old/Town",)]
