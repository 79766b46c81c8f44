"""What is left of a seed, put in order for the checker."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal

from tests.simulation.database import Row
from tests.simulation.servers import Create, Run
from tests.simulation.world import World


@dataclass
class Record:
    """Everything there is to check."""

    world: World
    turns: list[Row]
    lines: list[Row]
    by_id: dict[str, Row] = field(default_factory=dict)
    conversations: dict[tuple[str, str], list[Row]] = field(default_factory=lambda: defaultdict(list))
    creates: dict[str, list[Create]] = field(default_factory=lambda: defaultdict(list))
    runs: dict[str, list[Run]] = field(default_factory=lambda: defaultdict(list))
    asked: dict[str, list[Run]] = field(default_factory=lambda: defaultdict(list))  # runs of agents asked as tools
    ledger: dict[tuple[str, str], Row] = field(default_factory=dict)  # tool calls, by turn and call
    joined: dict[str, list[Row]] = field(default_factory=lambda: defaultdict(list))  # by the turn they were joined to
    steered: dict[str, list[Row]] = field(default_factory=lambda: defaultdict(list))  # by the turn they were told to
    replaced_at: dict[str, float] = field(default_factory=dict)  # when a message was first sent in a turn's place

    def __post_init__(self) -> None:
        for turn in self.turns:
            self.by_id[turn["turn_id"]] = turn
            self.conversations[turn["user_id"], turn["conversation_id"]].append(turn)
            if turn["joined_to"] is not None:
                into = self.steered if turn["strategy"] == "steer" else self.joined
                into[turn["joined_to"]].append(turn)
        for create in self.world.server.creates:
            if not create.asked:
                self.creates[create.turn_id].append(create)
        for run in self.world.server.runs.values():
            if run.create is not None:
                (self.asked if run.asked else self.runs)[run.create.turn_id].append(run)
        for new in self.turns:
            if (named := self.named(new)) is not None:
                for turn in self.conversations[new["user_id"], new["conversation_id"]]:
                    if turn["seq"] < new["seq"] and order_of(self.leader(turn)) >= order_of(named):
                        self.replaced_at.setdefault(turn["turn_id"], new["created"])
        self.ledger = {(call["turn_id"], call["call_id"]): call for call in self.world.database.tool_calls()}

    def group(self, turn: Row) -> list[Row]:
        """The messages that were asked in one run, in order."""
        if is_steered(turn):
            return [turn]
        leader = self.leader(turn)
        return sorted([leader, *self.joined[leader["turn_id"]]], key=lambda one: (one["place"], one["seq"]))

    def leader(self, turn: Row) -> Row:
        return self.by_id[turn["joined_to"]] if turn["joined_to"] is not None else turn

    def named(self, turn: Row) -> Row | None:
        """The turn in whose place this one was sent: of joined ones the first."""
        return None if turn["replaced"] is None else self.leader(self.by_id[turn["replaced"]])

    def addressed(self, turn: Row) -> str | None:
        """The agent that its sender named: in another's place, what was named there."""
        own = self.world.addressed.get((turn["user_id"], turn["key"]))
        named = self.named(turn)
        return own if own is not None or named is None else self.addressed(named)

    def texts(self, turn: Row) -> set[str]:
        """What its sender meant it to say."""
        _, text = self.world.sent.get((turn["user_id"], turn["key"]), ("", ""))
        if text is not None:
            return {text, *self.world.edits.get(turn["turn_id"], ())}
        named = self.named(turn)  # the same once more, as it stood: alone, or with all that were joined to it
        return set() if named is None else {named["text"], self.whole_text(named), self.all_text(named)}

    def whole_text(self, turn: Row) -> str:
        return "\n\n".join(one["text"] for one in self.group(turn))

    def all_text(self, turn: Row) -> str:
        """With what was steered into it."""
        steered = sorted(self.steered[turn["turn_id"]], key=order_of)
        return "\n\n".join([self.whole_text(turn), *(one["text"] for one in steered)])

    def ends_together(self, turn: Row) -> list[Row]:
        """The turn, what it was steered into, and all that was."""
        leader = self.leader(turn) if is_steered(turn) else turn
        return [leader, *self.steered[leader["turn_id"]]]


def is_steered(turn: Row) -> bool:
    """Whether it was told to a turn under way."""
    return bool(turn["strategy"] == "steer" and turn["joined_to"] is not None)


def order_of(turn: Row) -> tuple[Decimal, int]:
    """The order of service."""
    return turn["place"], turn["seq"]


def name_of(turn: Row) -> str:
    return f"{turn['key']} (seq {turn['seq']}, {turn['turn_id']})"
