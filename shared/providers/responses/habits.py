"""What a Responses server has shown of itself: servers that resemble the vendor's ignore parts of it without a word.

What a server does is read from its answers and remembered for as long as the process lives; what was asked for
proves nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from shared.core.errors import ActiveRun, ProviderError

Background = Literal["auto", "on", "off"]
"""`auto` falls back to the foreground, `on` insists, `off` never asks."""


@dataclass(slots=True)
class ServerHabits:
    asked_background: Background
    conversations: bool
    background: bool | None = None  # None: nothing shown yet
    streams: bool = True
    locks: bool = False  # a busy conversation was refused
    keeps_conversation: bool = False  # a response was seen to use the conversation it was given
    whole_items: bool = False  # input items are taken only in full, as outputs have them
    refused_fields: set[tuple[str, str]] = field(default_factory=set)  # what it takes not for a model: (model, field)

    @property
    def may_run_in_background(self) -> bool:
        """Whether a create asks for the background."""
        return self.asked_background == "on" or self.background is not False

    @property
    def runs_in_background(self) -> bool:
        return self.asked_background == "on" or self.background is True

    @property
    def background_shown(self) -> bool:
        """Whether it is known where this server runs a response."""
        return self.asked_background == "on" or self.background is not None

    @property
    def may_fall_back(self) -> bool:
        return self.asked_background != "on"

    def refused_for(self, model: str) -> frozenset[str]:
        """Fields of a create that the server does not take for this model."""
        return frozenset(name for of, name in self.refused_fields if of == model)

    def note_refusal(self, refusal: ProviderError) -> None:
        self.locks = self.locks or isinstance(refusal, ActiveRun)
