"""What breakers do as it happens: where turns begin while some are open, who tries again, and what is counted."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.simulation.world import World

Row = dict[str, Any]
Order = tuple[int, ...]

PROBE_SECONDS = 15.0  # for so long one turn tries for all, where no more is heard of it
LONGEST_SECONDS = 600.0  # that a breaker is open without another failure
WATCHED = frozenset({"chat_submit_turn", "chat_claim_turn", "chat_advance_turn"})


@dataclass(frozen=True, slots=True)
class Illness:
    """The first so many choices of every agent are refused for good for a while, beside those that are by chance."""

    choices: int
    begins: float
    ends: float


class BreakerWatch:
    """`looks` whether there is anything to see: fallbacks, in this mode."""

    def __init__(self, world: World, seed: int) -> None:
        dice = random.Random(f"illness {seed}")  # dice of their own: whether they roll changes nothing else
        begins = world.now + dice.uniform(0, 25)
        self.illness = Illness(dice.choice((1, 1, 1, 2, 3)), begins, begins + dice.uniform(5, 90))
        self.looks = world.profile.model_refused > 0 or world.profile.model_fails > 0
        self.first: dict[str, int] = {}  # by turn: the choice that it began with
        self.orders: dict[tuple[str, str], list[Order]] = defaultdict(list)  # of choices, by turn and agent
        self.late_turn: Any = None  # shared.core.turns.Turn: sent when the provider has been well for long
        self._world = world
        self._tries: dict[tuple[str, str], float] = {}  # by wire and model: since when a turn tries it for all

    def is_ill(self, choice: int) -> bool:
        """Whether creates with this choice of an agent are refused now."""
        ill, world = self.illness, self._world
        return world.profile.falls_ill and choice < ill.choices and ill.begins <= world.now < ill.ends

    def before(self, function: str) -> list[Row] | None:
        """The breakers, where this call may begin a turn or change one."""
        return self._world.database.breakers(self._world.now) if self.looks and function in WATCHED else None

    def after(self, known: list[Row] | None, parameters: Mapping[str, Any], answer: Row) -> None:
        """What the call did, with breakers as they were `known` before it."""
        if known is None:
            return
        patch = json.loads(parameters.get("p_patch", "{}"))
        turn = answer.get("turn")
        if answer["outcome"] == "ok" and turn is not None:
            self._see_write(patch, turn)
            known = None if {"failed_choice", "proven_choice"} & patch.keys() else known  # they have changed since
        for claim in (answer.get("claim"), answer.get("next"), answer if answer["outcome"] == "claimed" else None):
            if claim is not None and claim["fresh"] and claim["turn"]["attempt"] == 1:
                self._see_begun(claim, known)

    def _see_write(self, patch: Row, turn: Row) -> None:
        if "handoff" in patch:
            self.orders[turn["turn_id"], turn["agent"]].append(self._order(turn))
        for told in ("failed_choice", "proven_choice"):
            if told in patch:
                self._tries.pop(self._named(patch[told]), None)
        failed = patch.get("failed_choice")
        if failed is not None and failed["code"] not in self._reasons(turn["turn_id"]):
            self._world.blame(f"a breaker counts {failed['code']} of {turn['turn_id']}, whose message was to blame")
        if turn.get("breaker") is not None:
            self._world.counts[f"breaker {turn['breaker']}"] += 1

    def _reasons(self, turn_id: str) -> set[str]:
        """What really happened to the turn that may count."""
        server = self._world.server
        runs = [run for run in server.runs.values() if run.create is not None and run.create.turn_id == turn_id]
        failed = any(run.spoke_against_model for run in runs)
        refused = any(create.turn_id == turn_id and create.refused_for_good for create in server.creates)
        return {code for code, there in (("run_failed", failed), ("provider_model", refused)) if there}

    def _see_begun(self, claim: Row, known: list[Row] | None) -> None:
        turn, agent, world = claim["turn"], claim["agent"], self._world
        if turn["turn_id"] in self.first:
            return  # the same claim once more
        choices = [self._named(agent | one) for one in ({}, *agent["fallbacks"])]
        self.first[turn["turn_id"]] = chosen = turn["fallback"]
        self.orders[turn["turn_id"], turn["agent"]].append(self._order(turn))
        world.counts["began elsewhere"] += chosen > 0
        if known is None:
            return
        closed = {self._named(one) for one in known if one["shut"]}
        shut = {n for n, choice in enumerate(choices) if choice in closed}
        wanted = min({*range(len(choices))} - shut, default=0)
        if chosen != wanted:
            world.blame(f"{turn['turn_id']} began with choice {chosen}, open were those of {sorted(shut)}")
        opened = any(one["openings"] and self._named(one) == choices[chosen] for one in known)
        if chosen not in shut and opened:
            since = self._tries.get(choices[chosen])
            if since is not None and world.now < since + PROBE_SECONDS:
                world.blame(f"{turn['turn_id']} tried {choices[chosen]} beside another turn, tried at {since:.1f}")
            self._tries[choices[chosen]] = world.now
            world.counts["tried again"] += 1

    def _order(self, turn: Row) -> Order:
        return tuple(turn["choices"] or range(len(self._world.fallbacks) + 1))

    def _named(self, choice: Row) -> tuple[str, str]:
        """Its wire and its model."""
        return choice["provider"] or self._world.server.wire, choice["model"]
