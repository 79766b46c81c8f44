"""What the two messages of one story are about: each is told once for every place at which something may go wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from tests.simulation.modes import STEERING

HEARD = ", heard"  # what its runs say can be heard as it comes
WIRES = ("threads", "responses")
KINDS = (*WIRES, *(f"{wire}{HEARD}" for wire in WIRES))
SERVERS_OF_TOOLS = ("responses", f"responses{HEARD}")  # the kinds whose models can call an MCP server


TEAM_SECONDS = 2.0  # by which the lengths of a team's seven runs differ
CANCEL_SECONDS = 4.0  # by which the times differ that a run takes to end which waited together with its turn


class Second(StrEnum):
    """What the second message does while the first one is being answered."""

    WAITS = "waits"
    STEERS = "steers"
    EDITS = "edits"
    REGENERATES = "regenerates"

    @property
    def displaces(self) -> bool:
        return self in (Second.EDITS, Second.REGENERATES)


@dataclass(frozen=True, slots=True)
class Story:
    """`changes` are of the profile that all stories have in common."""

    name: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    second: Second = Second.WAITS
    after: float = 0.5  # seconds, between the two
    finds_it_waiting: bool = False  # the second comes when the first waits for its user, who answers only the second
    approves: bool = True  # what the user says to each call that waits for it
    end: str = "completed"  # of every turn that is not displaced, where nothing goes wrong
    kinds: tuple[str, ...] = KINDS

    @property
    def wires(self) -> tuple[str, ...]:
        return tuple(kind for kind in self.kinds if not kind.endswith(HEARD))

    @property
    def is_of_a_team(self) -> bool:
        return bool(self.changes.get("team"))

    @property
    def falls_back(self) -> bool:
        return bool({"model_refused", "model_fails"} & self.changes.keys())

    @property
    def waits(self) -> int:
        """How often its turns wait for their user, one after the other."""
        return 2 if {"asks_people", "posts"} & self.changes.keys() else 0

    @property
    def slack(self) -> float:
        """Seconds by which its runs, and the ends of those that were cancelled, differ from one telling to the next."""
        return (TEAM_SECONDS if self.is_of_a_team else 0.0) + CANCEL_SECONDS * self.waits


_TEAM: Mapping[str, Any] = {"team": 1.0, "run_seconds": (0.8, 0.8)}  # short runs, because there are many
_PEOPLE: Mapping[str, Any] = {**_TEAM, "asks_people": True}
_REFUSED: Mapping[str, Any] = {"model_refused": 1.0}
_FAILS: Mapping[str, Any] = {"model_fails": 1.0}
_STEERED: Mapping[str, Any] = {**_TEAM, "mixes": (STEERING,)}
_WIRE: Mapping[str, Any] = {"falls_to_other_wire": True}

PLAIN = Story("two messages")
TOLD = Story("another service is told of the ends", {"tells": True})
DRAWN = Story("each run draws", {"draws": True})
TEAM = Story("a team", _TEAM)
EDITED = Story("a message is edited", second=Second.EDITS)
REGENERATED = Story("a message is answered once more", second=Second.REGENERATES, after=2.0)
REGENERATED_LATER = Story("what was answered is answered once more", second=Second.REGENERATES, after=6.0)
EDITED_IN_A_TEAM = Story("a team's message is edited", _TEAM, second=Second.EDITS, after=5.0)
EDITED_WHERE_ASKED = Story(
    "a message that waits for its user is edited", _PEOPLE, second=Second.EDITS, finds_it_waiting=True
)
STEERED = Story("a message is steered", _STEERED, second=Second.STEERS)
STEERED_WHERE_ASKED = Story(
    "a message is steered into a turn that waits for its user", {**_PEOPLE, "mixes": (STEERING,)}, second=Second.STEERS
)
ASKED = Story("a person is asked", _PEOPLE)
DENIED = Story("a person denies", _PEOPLE, approves=False)
MCP_ALLOWED = Story("an MCP server may be called", {"posts": True}, kinds=SERVERS_OF_TOOLS)
MCP_DENIED = Story("an MCP server may not be called", {"posts": True}, approves=False, kinds=SERVERS_OF_TOOLS)
MCP_FAILED = Story(
    "a run fails that was let call an MCP server",
    {"posts": True, "post_fails": 1.0},
    end="failed",
    kinds=SERVERS_OF_TOOLS,
)
MCP_REFUSED = Story(
    "a model is refused, the next one calls an MCP server", {"posts": True, **_REFUSED}, kinds=SERVERS_OF_TOOLS
)
REFUSED = Story("a model is refused", _REFUSED)
FAILED = Story("a model's run fails", _FAILS)
LOST_AND_REFUSED = Story("a create is lost, then its model is refused", {**_REFUSED, "lose_create": (1, "before")})
LOST_AND_FAILED = Story("a create is lost whose run fails", {**_FAILS, "lose_create": (1, "after")})
FALLBACK_LOST = Story("a fallback's create is lost", {**_REFUSED, "lose_create": (2, "before")})
FALLBACK_ANSWER_LOST = Story("the answer to a fallback's create is lost", {**_REFUSED, "lose_create": (2, "after")})
WIRE_REFUSED = Story("a model is refused, another wire answers", {**_REFUSED, **_WIRE})
WIRE_FAILED = Story("a model's run fails, another wire answers", {**_FAILS, **_WIRE})
WIRE_LOST = Story(
    "a create is lost, then its model is refused, beside another wire",
    {**_REFUSED, **_WIRE, "lose_create": (1, "before")},
)
TEAM_REFUSED = Story("a team's models are refused", {**_TEAM, **_REFUSED})
TEAM_FAILED = Story("a team's runs fail", {**_TEAM, **_FAILS})
TEAM_WIRE = Story("a team's models are refused, another wire answers", {**_TEAM, **_REFUSED, **_WIRE})
ASKED_REFUSED = Story("a person is asked, models are refused", {**_PEOPLE, **_REFUSED})
ASKED_WIRE = Story("a person is asked on another wire", {**_PEOPLE, **_REFUSED, **_WIRE})
STEERED_REFUSED = Story("a message is steered, models are refused", {**_STEERED, **_REFUSED}, second=Second.STEERS)
STEERED_WIRE = Story("a message is steered to another wire", {**_STEERED, **_REFUSED, **_WIRE}, second=Second.STEERS)
EDITED_REFUSED = Story("a message is edited, models are refused", _REFUSED, second=Second.EDITS)
EDITED_WIRE = Story("a message is edited on another wire", {**_REFUSED, **_WIRE}, second=Second.EDITS, after=2.0)

EDITS = (EDITED, REGENERATED, REGENERATED_LATER, EDITED_IN_A_TEAM, EDITED_WHERE_ASKED, EDITED_REFUSED, EDITED_WIRE)
STEERINGS = (STEERED, STEERED_WHERE_ASKED, STEERED_REFUSED, STEERED_WIRE)
WAITS = (ASKED, DENIED, MCP_ALLOWED, MCP_DENIED, MCP_FAILED)
FALLBACKS = (
    REFUSED, FAILED, LOST_AND_REFUSED, LOST_AND_FAILED, FALLBACK_LOST, FALLBACK_ANSWER_LOST, WIRE_REFUSED, WIRE_FAILED,
    WIRE_LOST, TEAM_REFUSED, TEAM_FAILED, TEAM_WIRE, ASKED_REFUSED, ASKED_WIRE, MCP_REFUSED,
)  # fmt: skip
FEATURES = (*EDITS, *STEERINGS, *WAITS, *FALLBACKS)
"""The stories of what may happen to a turn beside being answered."""
STORIES = (PLAIN, TOLD, DRAWN, TEAM, *FEATURES)
