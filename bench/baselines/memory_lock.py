"""A lock a conversation in the memory of the process; a message that finds it held is refused with 409."""

from __future__ import annotations

from bench.provider import Provider


class MemoryLock:
    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._held: set[str] = set()

    async def take(self, conversation: str) -> int:
        """The status that the sender is told."""
        if conversation in self._held:
            return 409
        self._held.add(conversation)
        try:
            await self._provider.create_and_follow(conversation)
        finally:
            self._held.discard(conversation)
        return 200
