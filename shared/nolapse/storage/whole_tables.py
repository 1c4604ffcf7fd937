"""How statements over whole tables run: by hash joins, with room for them (docs/adr/0007)."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, text

# The optimiser can't know how many rows a date calls for, and would pick nested loops over whole bases. A hash may take
# twice the memory of work_mem, and one transaction at a time asks for it.
SETTINGS = {"enable_nestloop": "off", "work_mem": "128MB"}
CURRENT = text("""
SELECT current_setting(name) FROM unnest(CAST(:names AS text[])) WITH ORDINALITY AS setting (name, place) ORDER BY place
""")
CHANGE = text("""
SELECT set_config(name, value, true)
FROM unnest(CAST(:names AS text[]), CAST(:values AS text[])) AS setting (name, value)
""")


@contextmanager
def whole_tables(connection: Connection) -> Iterator[None]:
    """For what runs inside; what fails there ends the transaction, and its settings with it."""
    names = list(SETTINGS)
    former = list(connection.scalars(CURRENT, {"names": names}))
    connection.execute(CHANGE, {"names": names, "values": list(SETTINGS.values())})
    yield
    connection.execute(CHANGE, {"names": names, "values": former})
