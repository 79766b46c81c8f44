"""What is left of a seed, put in order for the checker."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

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

    def __post_init__(self) -> None:
        for turn in self.turns:
            self.by_id[turn["turn_id"]] = turn
            self.conversations[turn["user_id"], turn["conversation_id"]].append(turn)
        for create in self.world.server.creates:
            self.creates[create.turn_id].append(create)
        for run in self.world.server.runs.values():
            if run.create is not None:
                self.runs[run.create.turn_id].append(run)


def name_of(turn: Row) -> str:
    return f"{turn['key']} (seq {turn['seq']}, {turn['turn_id']})"
