"""What people change of conversations while these are being answered, and what their deletions take."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from shared.core.turns import ConversationKey


@dataclass(slots=True, eq=False)
class Change:
    """One request, with all its repeats; `done_at` is None until one of them was answered."""

    what: str  # "archive", "reopen", "rename" or "rotate"
    conversation: ConversationKey
    title: str | None
    sent_at: float
    done_at: float | None = None


@dataclass(frozen=True, slots=True)
class Doomed:
    """What a deletion has to take, as it stands in the rows before."""

    conversations: tuple[ConversationKey, ...]
    turn_ids: tuple[str, ...]
    run_ids: tuple[str, ...]  # under way
    all_run_ids: tuple[str, ...]


@dataclass(slots=True)
class Changes:
    idle_seconds: float = 0.0  # without a message for so long, conversations are closed as well; 0: never
    sent: list[Change] = field(default_factory=list)
    without_agents: set[str] = field(
        default_factory=set
    )  # users who deleted all they had, agents of their own included
    deleted: dict[ConversationKey, float] = field(default_factory=dict)  # when it went; so of the other two
    deleted_turns: dict[str, float] = field(default_factory=dict)
    left_runs: dict[str, float] = field(default_factory=dict)
    deleted_runs: set[str] = field(default_factory=set)  # all that were on record

    def of(self, conversation: ConversationKey, *what: str) -> Iterator[Change]:
        return (change for change in self.sent if change.conversation == conversation and change.what in what)

    def take(self, doomed: Doomed, now: float) -> None:
        self.deleted |= dict.fromkeys(doomed.conversations, now)
        self.deleted_turns |= dict.fromkeys(doomed.turn_ids, now)
        self.left_runs |= dict.fromkeys(doomed.run_ids, now)
        self.deleted_runs |= set(doomed.all_run_ids)

    def explain(self, code: str, conversation: ConversationKey, sent_at: float, now: float) -> bool:
        """Whether a message may be answered like this: what the code says was asked for, or has come of itself."""
        if code == "conversation_deleted":
            return conversation in self.deleted
        if code == "unknown_agent":
            return conversation.user_id in self.without_agents
        if code != "conversation_archived":
            return True
        reopens = [one for one in self.of(conversation, "reopen") if one.done_at is not None and one.done_at <= sent_at]
        opened = max((one.sent_at for one in reopens), default=0.0)
        closed = any(one.done_at is None or one.done_at > opened for one in self.of(conversation, "archive"))
        return closed or 0 < self.idle_seconds <= now - opened
