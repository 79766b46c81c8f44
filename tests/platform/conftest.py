"""The hosted platforms, played on this machine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.platform.hosted import Server, hosted_server


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    with hosted_server() as server:
        yield server
