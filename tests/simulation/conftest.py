"""One Postgres for all seeds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.simulation.database import Database, database


@pytest.fixture(scope="session")
def simulated() -> Iterator[Database]:
    with database() as made:
        yield made
