"""A million reminders due at once, drained end to end: `make bench NAME=delivery.million`, `name value` a line.

As end_to_end of `make bench NAME=delivery`, and too long for it. The goal is a quarter of an hour.
"""

import tempfile
from pathlib import Path

from bench.delivery import end_to_end
from local.postgres import start_postgres

MESSAGES = 1_000_000


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        drained = end_to_end.measure(start_postgres(Path(folder, "postgres")), MESSAGES)
    print(f"million_minutes {MESSAGES / drained.rate / 60:.1f}")
    print(f"million_per_second {drained.rate:.0f}")
    print(f"million_standin_share {drained.standin_share:.2f}")


if __name__ == "__main__":
    main()
