"""The store, as the core needs it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from shared.core.conversation import Conversation
from shared.core.model import Agent, JsonObject, Message
from shared.core.person_calls import PersonAnswer
from shared.core.runs import Thread
from shared.core.turns import Claim, Turn
from shared.ports.outbox import Outbox
from shared.ports.records import (
    Accepted,
    Busy,
    Deletion,
    Ended,
    Expiry,
    Lease,
    LeftRun,
    Lessee,
    Orphan,
    Peek,
    RemoteObject,
    Scratch,
    Stopping,
    Submission,
    ToolTicket,
    TurnUpdate,
)
from shared.ports.turn_statistics import TurnStatistics

# The migration that this code was written for. A database whose version sorts before it lacks what is called here.
SCHEMA_VERSION = "20261128003700"


class Store(TurnStatistics, Outbox, Protocol):
    """The queue, which is the transcript. Raises StoreUnavailable beside what each method names.

    Every call is safe to repeat when its answer was lost, and the adapter does so a bounded number of times.
    Times are the database's own; what returns is relative (milliseconds), never to be compared with a local clock.
    """

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

    async def list_ended_threads(self, limit: int) -> Sequence[Thread]:
        """Threads that no conversation and no asked agent needs any more, but for those put off; the oldest first."""
        ...

    async def drop_thread(self, thread: Thread) -> None:
        """It is deleted at the provider."""
        ...

    async def defer_thread(self, thread: Thread) -> None:
        """The provider did not delete it: it is listed again after a pause, which doubles from a minute to a day."""
        ...

    async def list_left_runs(self, limit: int) -> Sequence[LeftRun]:
        """Of conversations that are gone, but for those put off; the longest left first."""
        ...

    async def drop_left_run(self, run: LeftRun) -> None:
        """It has ended."""
        ...

    async def defer_left_run(self, run: LeftRun) -> None:
        """It has not: it is listed again after a pause, which doubles from a minute to a day."""
        ...

    async def list_ended_objects(self, limit: int) -> Sequence[RemoteObject]:
        """What providers keep that need not be kept, but for what is put off; the longest ended first."""
        ...

    async def drop_object(self, remote: RemoteObject) -> None:
        """It is deleted at its provider, or was never made."""
        ...

    async def defer_object(self, remote: RemoteObject) -> None:
        """The provider did not delete it: it is listed again after a pause, which doubles from a minute to a day."""
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

    async def list_conversations(
        self, user_id: str, limit: int, before: str | None, *, archived: bool = False, q: str | None = None
    ) -> Sequence[Conversation]:
        """Newest first; `before` is a conversation id of an earlier page. `q` searches titles and lines for words."""
        ...

    async def get_conversation(self, user_id: str, conversation_id: str) -> Conversation:
        """Raises NotFound."""
        ...

    async def follow_conversation(self, user_id: str, conversation_id: str) -> Turn | None:
        """The turn at the head of the queue; with an empty queue the last turn where a stream of it broke off.

        That one for ten minutes, until one of its streams is noted as whole. Raises NotFound.
        """
        ...

    async def note_stream(self, user_id: str, turn_id: str, *, whole: bool) -> None:
        """A stream of this turn was written to its end, or broke off before. Raises NotFound."""
        ...

    async def change_conversation(self, user_id: str, conversation_id: str, fields: JsonObject) -> Conversation:
        """Change `title`, `archived` or `read_seq`, whichever are given. Raises NotFound."""
        ...

    async def delete_conversation(self, user_id: str, conversation_id: str) -> Sequence[LeftRun]:
        """All of it is gone with this call, for good; its threads and runs stay on record until they are gone too.

        Returns the runs that were under way. One that was deleted before has none. Raises NotFound.
        """
        ...

    async def delete_conversations(self, user_id: str, limit: int) -> Deletion:
        """As `delete_conversation`, up to so many of the user's; to be called until none is left."""
        ...

    async def rotate_conversation(self, user_id: str, conversation_id: str) -> None:
        """Its next message starts a new thread, seeded with the last lines. Raises NotFound."""
        ...

    async def expire_conversations(self, ttl_seconds: float, retention_seconds: float, limit: int) -> Expiry:
        """Close those without a message for so long, or for as long as their scope says, and delete; 0 is never."""
        ...

    async def was_deleted(self, user_id: str, conversation_id: str) -> bool:
        """Whether the user had such a conversation and has deleted it."""
        ...

    async def list_messages(
        self,
        user_id: str,
        conversation_id: str,
        *,
        after_seq: int,
        limit: int,
        newest: bool = False,
        before_seq: int | None = None,
    ) -> Sequence[Message]:
        """In order of `seq`, between the two numbers; with `newest` the last `limit` of them. Raises NotFound."""
        ...

    async def list_agents(self, user_id: str) -> Sequence[Agent]: ...

    async def get_agent(self, user_id: str, slug: str) -> Agent:
        """One that this user may address, with its peers. Raises NotFound."""
        ...

    async def create_agent(self, user_id: str, fields: JsonObject, most: int) -> Agent:
        """An agent of the user's own. Raises Conflict where the slug is taken or there are `most` already, and
        InvalidRequest, whose details name a `field` that is wrong, and the `fault`."""
        ...

    async def change_agent(self, user_id: str, slug: str, fields: JsonObject) -> Agent:
        """Change the fields given of an agent of the user's own. Raises NotFound, InvalidRequest."""
        ...

    async def delete_agent(self, user_id: str, slug: str) -> None:
        """Raises NotFound where the user has no such agent."""
        ...

    async def read_project(self, user_id: str, conversation_id: str) -> JsonObject:
        """The conversation's project record: title, script, scenes; empty where nothing was written."""
        ...

    async def read_feedback(self, user_id: str, conversation_id: str) -> Sequence[JsonObject]:
        """What its user thinks of the conversation's answers: `turn_id`, `good`, `comment`, `created_at`."""
        ...

    async def write_project(self, user_id: str, conversation_id: str, fields: JsonObject) -> JsonObject:
        """Change the fields given; the record afterwards. Raises NotFound."""
        ...

    async def begin_assistant(self, mark: str) -> None:
        """An assistant that carries this mark, a UUID, is about to be made."""
        ...

    async def remember_assistant(
        self, agent_id: str, assistant_id: str, instead_of: str | None = None, mark: str | None = None
    ) -> str:
        """Record the assistant made for an agent that named none, or `instead_of` one of ours that was deleted.

        Returns the one on record, the first to arrive.

        Raises NotFound.
        """
        ...

    async def find_run(self, run_id: str) -> Turn:
        """The open turn, of any user, that waits for this run. Raises NotFound."""
        ...

    async def list_orphans(self, limit: int) -> Sequence[Orphan]:
        """Of all users, the longest unattended first; those that must not start yet are not among them."""
        ...

    async def ping(self) -> bool: ...

    async def schema_version(self) -> str:
        """The version of the last migration that the database has, to be compared with SCHEMA_VERSION."""
        ...
