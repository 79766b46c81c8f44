"""The turns of every conversation in their order, and what one holder at a time records of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from shared.core.person_calls import PersonAnswer
from shared.core.turns import Claim, Turn
from shared.ports.records import (
    Accepted,
    Busy,
    Ended,
    Lease,
    Lessee,
    Orphan,
    Peek,
    Scratch,
    Stopping,
    Submission,
    ToolTicket,
    TurnUpdate,
)


class TurnQueue(Protocol):
    """The queue. Raises StoreUnavailable beside what each method names."""

    async def submit_turn(self, submission: Submission, lessee: Lessee | None) -> Accepted:
        """Accept the message; with a lessee, claim it at once where it is the head of a free queue.

        Raises Conflict (`run_in_progress`: strategy reject and the queue is not empty), InvalidRequest
        (`idempotency_key_reused`, `unknown_agent`), NoAgents, NotFound (the turn it replaces), TooMany
        (`queue_full`, `too_many_open`, `rate_limited`), ConversationDeleted.
        """
        ...

    async def claim_turn(self, user_id: str, conversation_id: str, lessee: Lessee) -> Claim | Busy:
        """Take the lease and the head of the queue; a queued head is moved to `starting` in the same step.

        Raises NotFound.
        """
        ...

    async def advance_turn(self, lease: Lease, turn_id: str, update: TurnUpdate, lease_seconds: float) -> Turn:
        """The only writer of turn state: fenced, compare-and-set; extends the lease (0 gives it up).

        Returns the turn as it stands afterwards: unchanged where it was final already. Raises Fenced.
        """
        ...

    async def end_turn(self, lease: Lease, turn_id: str, update: TurnUpdate, next_lessee: Lessee | None) -> Ended:
        """As `advance_turn` with a final status; gives the lease up, and claims the next turn where a lessee is named.

        Raises Fenced.
        """
        ...

    async def release(self, lease: Lease) -> None:
        """Give the lease up so that the next request may claim at once. A stale lease changes nothing."""
        ...

    async def withdraw_turn(self, lease: Lease, turn_id: str) -> None:
        """Take back a turn that was never started, as if it had not been sent. Raises Fenced."""
        ...

    async def begin_tool_call(self, lease: Lease, turn_id: str, call_id: str, name: str, op: str) -> ToolTicket:
        """Raises Fenced."""
        ...

    async def finish_tool_call(self, lease: Lease, turn_id: str, call_id: str, output: str) -> str:
        """Record an output; returns the one on record, the first to arrive. Raises Fenced."""
        ...

    async def get_tool_output(self, user_id: str, conversation_id: str, call_id: str) -> str | None:
        """What came of a call of this conversation, whichever turn made it; None where that is on no record."""
        ...

    async def keep_scratch(self, lease: Lease, turn_id: str, call_id: str, scratch: Scratch) -> None:
        """Record the thread of an asked agent, and its newest run. Raises Fenced: the record is kept all the same."""
        ...

    async def get_turn(self, user_id: str, turn_id: str) -> Peek:
        """Raises NotFound."""
        ...

    async def cancel_turn(self, user_id: str, turn_id: str) -> Stopping:
        """Queued: cancelled at once. Under way: the request is recorded for its holder. Final: as it is."""
        ...

    async def edit_turn(self, user_id: str, turn_id: str, text: str) -> Turn:
        """Raises NotFound, Conflict (`already_started`)."""
        ...

    async def answer_call(self, user_id: str, turn_id: str, answer: PersonAnswer) -> Turn:
        """Record what the user says to a call that waits, once; the turn goes on when none of its calls waits any more.

        Raises NotFound, InvalidRequest (of the wrong kind), Conflict (`already_answered`).
        """
        ...

    async def note_stream(self, user_id: str, turn_id: str, *, whole: bool) -> None:
        """A stream of this turn was written to its end, or broke off before. Raises NotFound."""
        ...

    async def find_run(self, run_id: str) -> Turn:
        """The open turn, of any user, that waits for this run. Raises NotFound."""
        ...

    async def list_orphans(self, limit: int) -> Sequence[Orphan]:
        """Of all users, the longest unattended first; those that must not start yet are not among them."""
        ...
