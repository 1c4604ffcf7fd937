import gc
from collections.abc import Iterator

import pytest

from local.postgres import Postgres
from tests.conftest import TEMPLATE, numbers
from tests.simulation import world as worlds
from tests.simulation.world import World

# A connection that a fault cut off has unsent bytes as it is thrown away.
LOST_SOCKETS = pytest.mark.filterwarnings(
    "ignore:Exception ignored in:pytest.PytestUnraisableExceptionWarning"
)


@pytest.fixture(scope="module")
def world(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One stack for all runs of a module: moto and the environment belong to it until then."""
    name = f"simulation_{next(numbers)}"
    postgres.create_database(name, TEMPLATE)
    with worlds.world(postgres, name, tmp_path_factory.mktemp("simulation")) as made:
        yield made
    # While LOST_SOCKETS still holds: else the session's end would find them.
    gc.collect()
    postgres.drop_database(name)
