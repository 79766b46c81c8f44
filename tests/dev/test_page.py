"""The page is built once for what stands in web/, and its types hold."""

from __future__ import annotations

import os

import pytest

from dev.node import find_node
from dev.page import SOURCES, build
from dev.processes import Processes

pytestmark = pytest.mark.timeout(300)  # the packages may have to be fetched


async def test_the_page_is_built_once_and_its_types_hold() -> None:
    node = await find_node()
    said: list[str] = []
    async with Processes(report=said.append) as processes:
        built = await build(node, processes, said.append)
        assert (built / "index.html").is_file()
        said.clear()
        assert await build(node, processes, said.append) == built
        assert said == []
        compiler = SOURCES / "node_modules/typescript/bin/tsc"
        await processes.run("tsc", [node.program, compiler, "--noEmit", "-p", SOURCES], os.environ, 120)
