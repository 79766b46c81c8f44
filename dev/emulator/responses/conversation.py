"""A conversation of the Responses wire: its items and its lock."""

from __future__ import annotations

from dataclasses import dataclass, field

from dev.emulator import errors
from dev.emulator.config import Config
from dev.emulator.errors import Json
from dev.emulator.ids import now
from dev.emulator.jobs import Place


@dataclass(slots=True)
class Conversation(Place):
    items: dict[str, Json] = field(default_factory=dict)
    entered: dict[str, float] = field(default_factory=dict)
    """When each item came in, for lists that lag."""

    def add(self, items: list[Json]) -> None:
        for item in items:
            self.items[item["id"]] = item
            self.entered[item["id"]] = now()

    def refuse_if_locked(self, config: Config) -> None:
        if config.lock and self.active_run is not None:
            self.conflicts += 1
            raise errors.conversation_locked(config.conflict_status)

    def body(self) -> Json:
        return {
            "id": self.id,
            "object": "conversation",
            "created_at": int(self.born),
            "metadata": self.metadata,
        }

    def report(self) -> Json:
        # Not super(): a slotted dataclass is a second class, which the compiler's reference does not follow.
        return {**Place.report(self), "items": list(self.items.values())}
