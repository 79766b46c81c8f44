"""The running event loop's clock: the one that asyncio's own deadlines are measured on."""

from __future__ import annotations

import asyncio


class LoopClock:
    def now(self) -> float:
        """Monotonic seconds."""
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
