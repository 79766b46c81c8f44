"""The hosted platforms, played on this machine."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tests.platform.hosted import Server, hosted_server
from tests.platform.supabase_cli import SupabaseCli, installed_cli


@pytest.fixture(scope="session")
def supabase(tmp_path_factory: pytest.TempPathFactory) -> SupabaseCli:
    return asyncio.run(installed_cli(tmp_path_factory.mktemp("cli")))


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    with hosted_server() as server:
        yield server
