"""The short soak of every test run: real processes under SIGKILL, broken connections, a database that restarts."""

from __future__ import annotations

import pytest

from tests.soak.soak import soak


@pytest.mark.timeout(400)
async def test_nothing_is_lost_doubled_or_out_of_order() -> None:
    result = await soak(1000, seconds=25)
    assert result.violations == [], str(result)
    figures = result.figures
    assert figures["messages"] >= 20, str(result)
    assert figures["turns"] >= figures["messages"] - figures["refused"], str(result)
    assert figures["answered"] + figures["displaced"] >= figures["turns"] * 0.9, str(result)
    assert figures["kills"] >= 5, str(result)
    assert figures["database restarts"] == 1, str(result)
