"""Stand-ins for service and store: they do what a test tells them, and remember what they were asked."""

from __future__ import annotations

import asyncio
import base64
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

from shared.core.chat_events import ChatEvent
from shared.core.conversation import Conversation
from shared.core.error_codes import ErrorCode
from shared.core.errors import Conflict, NotFound, StoreFault, StoreUnavailable
from shared.core.images import Image
from shared.core.model import Agent, JsonObject, Message, Scope, ScopeKind, User
from shared.core.new_message import NewMessage
from shared.core.person_calls import PersonAnswer
from shared.core.runs import Usage
from shared.core.turns import MultitaskStrategy, RunRecord, Turn, TurnStatus
from shared.ports import SCHEMA_VERSION, Accepted, ImagePiece, Peek

PIECE_BYTES = 300  # of an image, in one read
REPLY = "Once upon a time ..."


def make_turn(user_id: str, **changes: Any) -> Turn:
    turn = Turn(
        turn_id=str(uuid.uuid4()),
        conversation_id=str(uuid.uuid4()),
        user_id=user_id,
        seq=1,
        status=TurnStatus.COMPLETED,
        text="tell me a story",
        agent="project_manager",
        strategy=MultitaskStrategy.ENQUEUE,
        attempt=1,
        failures=0,
        run_key=None,
        run_id="resp_1",
        cancel_requested=False,
        conflicts=2,
        waited_ms=1200,
        starting_ms=None,
        running_ms=None,
        working_ms=None,
        remaining_ms=0,
        position=0,
        reply=REPLY,
        error=None,
        draft=None,
        runs=(RunRecord("resp_1", "project_manager", "completed"),),
        handoffs=(),
        usage=Usage(10, 20),
        metadata={},
        created_at="2026-11-20T12:00:00+00:00",
        finished_at="2026-11-20T12:00:05+00:00",
    )
    return replace(turn, **changes)


Step = ChatEvent | float | BaseException | Callable[[], Awaitable[object]]


class FakeStream:
    """Says `script` of a turn: seconds are slept, errors raised, functions called and awaited, events told."""

    def __init__(self) -> None:
        self.script: Sequence[Step] = ()
        self.work: Callable[[], Awaitable[object]] | None = None  # what goes on when its reader has left
        self.told = self.closed = 0
        self.notes: list[bool] = []  # whether the stream was whole
        self.noted = asyncio.Event()
        self.note: Callable[[], Awaitable[object]] | None = None  # what happens when one is written

    def begin(self, turn: Turn, end: Turn, replayed: bool) -> None:
        self.turn, self.replayed, self._end = turn, replayed, end

    async def events(self) -> AsyncIterator[ChatEvent]:
        for step in self.script:
            if isinstance(step, BaseException):
                raise step
            if isinstance(step, int | float):
                await asyncio.sleep(step)
            elif callable(step):
                await step()
            else:
                self.told += 1
                yield step
        self.turn = self._end

    async def note_whole(self) -> None:
        await self._note(True)

    async def note_broken(self) -> None:
        await self._note(False)

    async def _note(self, whole: bool) -> None:
        self.notes.append(whole)
        self.noted.set()
        if self.note is not None:
            await self.note()

    async def close(self) -> None:
        self.closed += 1
        if self.work is not None:
            await self.work()


class FakeChat:
    """Service and store in one, over plain dicts. `taken` decides what a new message becomes."""

    def __init__(self) -> None:
        self.turns: dict[tuple[str, str], Turn] = {}
        self.conversations: dict[tuple[str, str], Conversation] = {}
        self.asks: list[tuple[User, NewMessage, float]] = []
        self.waits: list[tuple[str, float]] = []
        self.calls: list[tuple[Any, ...]] = []
        self.images: dict[tuple[str, str], bytes] = {}
        self.drawn: tuple[Image, ...] = ()  # at the last line of each transcript
        self.taken: dict[str, Any] = {}
        self.replayed = False
        self.accepts_first = False  # and says so before it goes on
        self.stream = FakeStream()
        self.begins: dict[str, Any] = {}  # what is different about a turn when its stream begins
        self.error: BaseException | None = None
        self.hold: Callable[[], Awaitable[object]] | None = None
        self.entered = asyncio.Condition()
        self.finished = asyncio.Event()
        self.healthy = True
        self.schema: str | Exception = SCHEMA_VERSION
        self.has_agents = True
        self.fault: StoreFault | None = None  # of everything that health looks at
        self.pings = 0
        self.agents: dict[tuple[str, str], Agent] = {}  # of users, by owner and slug

    def add(self, user_id: str, **changes: Any) -> Turn:
        turn = make_turn(user_id, **changes)
        self.turns[user_id, turn.turn_id] = turn
        self.conversations[user_id, turn.conversation_id] = Conversation(
            conversation_id=turn.conversation_id,
            scope=Scope(ScopeKind.TOPIC, "stories"),
            agent=turn.agent,
            status="idle" if turn.status.final else "busy",
            turns=1,
            created_at=turn.created_at,
            updated_at=turn.created_at,
            title="tell me a story",
            messages=4,
            preview="hello",
            read_seq=2,
            unread=1,
            archived=False,
            last_message_at=turn.created_at,
            open_turns=() if turn.status.final else (turn,),
            stats={"conflicts": turn.conflicts},
        )
        return turn

    async def asked(self, times: int) -> None:
        """Return once as many messages have reached the service."""
        async with self.entered:
            await self.entered.wait_for(lambda: len(self.asks) >= times)

    async def waited_for(self, times: int) -> None:
        """Return once as many waiting reads have reached the service."""
        async with self.entered:
            await self.entered.wait_for(lambda: len(self.waits) >= times)

    async def _obey(self) -> None:
        async with self.entered:
            self.entered.notify_all()
        if self.hold is not None:
            await self.hold()
        if self.error is not None:
            raise self.error
        self.finished.set()

    async def take_turn(
        self, user: User, message: NewMessage, deadline: float, on_accepted: Callable[[Accepted], None] | None = None
    ) -> tuple[Turn, bool]:
        self.asks.append((user, message, deadline))
        if self.accepts_first and on_accepted is not None:
            queued = self.add(user.id, status=TurnStatus.QUEUED, reply=None, position=1)
            on_accepted(Accepted(queued, replayed=False, claim=None))
        await self._obey()
        changes = {
            "text": message.text or "asked before",
            "replaced": message.replaces,
            "strategy": message.strategy,
            "metadata": dict(message.metadata or {}),
        } | self.taken
        return self.add(user.id, **changes), self.replayed

    async def open_stream(self, user: User, message: NewMessage, deadline: float) -> FakeStream:
        turn, replayed = await self.take_turn(user, message, deadline)
        self.stream.begin(replace(turn, **self.begins), turn, replayed)
        return self.stream

    async def attach(self, user: User, conversation_id: str, deadline: float) -> FakeStream | None:
        self.calls.append(("attach", conversation_id, deadline))
        turn = await self.follow_conversation(user.id, conversation_id)
        if turn is None:
            return None
        end = turn if turn.status.final else replace(turn, status=TurnStatus.COMPLETED, reply=REPLY)
        self.stream.begin(turn, end, False)
        return self.stream

    async def wait_turn(self, user: User, turn_id: str, deadline: float) -> Turn:
        self.waits.append((turn_id, deadline))
        await self._obey()
        return self._turn(user.id, turn_id)

    async def carry_on(self, run_id: str, deadline: float) -> None:
        self.calls.append(("carry_on", run_id, deadline))
        await self._obey()

    async def cancel_turn(self, user: User, turn_id: str, deadline: float) -> Turn:
        self.calls.append(("cancel", turn_id, deadline))
        await self._obey()
        turn = self._turn(user.id, turn_id)
        return turn if turn.status.final else replace(turn, status=TurnStatus.CANCELLED, reply=None)

    async def answer_call(self, user: User, turn_id: str, answer: PersonAnswer, deadline: float) -> Turn:
        self.calls.append(("answer", turn_id, answer, deadline))
        await self._obey()
        return self._turn(user.id, turn_id)

    async def open_answers(
        self, user: User, turn_id: str, answers: Sequence[PersonAnswer], deadline: float
    ) -> FakeStream:
        self.calls.append(("answers", turn_id, tuple(answers), deadline))
        await self._obey()
        turn = self._turn(user.id, turn_id)
        self.stream.begin(replace(turn, **self.begins), turn, False)
        return self.stream

    async def edit_turn(self, user: User, turn_id: str, text: str) -> Turn:
        self.calls.append(("edit", turn_id, text))
        await self._obey()
        turn = self._turn(user.id, turn_id)
        if turn.status is not TurnStatus.QUEUED:
            raise Conflict("The message is being answered already.", code=ErrorCode.ALREADY_STARTED)
        return replace(turn, text=text)

    async def delete_conversation(self, user: User, conversation_id: str, deadline: float) -> None:
        self.calls.append(("delete", conversation_id, deadline))
        await self._obey()
        self._conversation(user.id, conversation_id)
        del self.conversations[user.id, conversation_id]

    async def delete_conversations(self, user: User, deadline: float) -> None:
        self.calls.append(("delete all", user.id, deadline))
        await self._obey()
        for key in [key for key in self.conversations if key[0] == user.id]:
            del self.conversations[key]

    def _turn(self, user_id: str, turn_id: str) -> Turn:
        assert str(uuid.UUID(turn_id)) == turn_id, "the database takes nothing else"
        if (user_id, turn_id) not in self.turns:
            raise NotFound(f"no turn {turn_id} of {user_id}")
        return self.turns[user_id, turn_id]

    def _conversation(self, user_id: str, conversation_id: str) -> Conversation:
        assert str(uuid.UUID(conversation_id)) == conversation_id, "the database takes nothing else"
        if (user_id, conversation_id) not in self.conversations:
            raise NotFound(f"no conversation {conversation_id}")
        return self.conversations[user_id, conversation_id]

    async def get_turn(self, user_id: str, turn_id: str) -> Peek:
        return Peek(self._turn(user_id, turn_id), claimable=False)

    async def list_conversations(
        self, user_id: str, limit: int, before: str | None, *, archived: bool = False, q: str | None = None
    ) -> Sequence[Conversation]:
        self.calls.append(("list_conversations", user_id, limit, before, archived, q))
        await self._obey()
        own = [value for (owner, _), value in self.conversations.items() if owner == user_id]
        after = 1 + [value.conversation_id for value in own].index(before) if before is not None else 0
        return [] if archived else own[after : after + limit]

    async def get_conversation(self, user_id: str, conversation_id: str) -> Conversation:
        await self._obey()
        return self._conversation(user_id, conversation_id)

    async def follow_conversation(self, user_id: str, conversation_id: str) -> Turn | None:
        await self._obey()
        open_turns = self._conversation(user_id, conversation_id).open_turns
        broken = (turn for turn in self.turns.values() if turn.stream_broken)
        return next((turn for turn in (*open_turns, *broken) if turn.conversation_id == conversation_id), None)

    async def change_conversation(self, user_id: str, conversation_id: str, fields: JsonObject) -> Conversation:
        self.calls.append(("change_conversation", conversation_id, fields))
        await self._obey()
        return replace(self._conversation(user_id, conversation_id), **fields)

    async def rotate_conversation(self, user_id: str, conversation_id: str) -> None:
        self.calls.append(("rotate", conversation_id))
        await self._obey()
        self._conversation(user_id, conversation_id)

    async def read_project(self, user_id: str, conversation_id: str) -> JsonObject:
        return {"title": None, "script": None, "scenes": []}

    async def read_image(self, user_id: str, image_id: str, start: int = 0) -> ImagePiece:
        if (user_id, image_id) not in self.images:
            raise NotFound
        content = self.images[user_id, image_id]
        piece = content[start : start + PIECE_BYTES]
        return ImagePiece("image/png", len(content), start, base64.b64encode(piece).decode())

    async def read_feedback(self, user_id: str, conversation_id: str) -> Sequence[JsonObject]:
        turns = [turn for turn in self.turns.values() if turn.conversation_id == conversation_id]
        rating = {"good": False, "comment": "too long"}
        return [{"turn_id": turn.turn_id, **rating, "created_at": turn.created_at} for turn in turns]

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
        self.calls.append(("list_messages", conversation_id, after_seq, limit, before_seq))
        await self._obey()
        self._conversation(user_id, conversation_id)
        lines = [
            Message(
                id=str(uuid.uuid4()),
                seq=seq,
                turn_id=str(uuid.uuid4()),
                turn_seq=seq,
                role="user" if seq % 2 else "assistant",
                agent=None if seq % 2 else "project_manager",
                text="hello",
                created_at="2026-11-20T12:00:00+00:00",
                handoff_to=None if seq % 2 else "script_writer",
                images=self.drawn if seq == 4 else (),
            )
            for seq in range(1, 5)
        ]
        found = [line for line in lines if after_seq < line.seq < (before_seq or 100)]
        return found[-limit:] if newest else found[:limit]

    async def list_agents(self, user_id: str) -> Sequence[Agent]:
        if uuid.UUID(user_id).int:  # else the function asks for itself, to say how it is
            await self._obey()
        self._fail()
        if not self.has_agents:
            return []
        return [
            Agent(
                "project_manager",
                "Project manager",
                "Plans.",
                "gpt-x",
                "SECRET-INSTRUCTIONS",
                None,
                "SECRET-ASSISTANT",
                ("clock",),
                ("script_writer",),
                "SECRET-ID",
                True,
            ),
            *(agent for (owner, _), agent in self.agents.items() if owner == user_id),
        ]

    def add_agent(self, user_id: str, slug: str, **fields: Any) -> Agent:
        own = Agent(slug, "Mine", "", "gpt-x", "", owned=True)
        known = {name: value for name, value in fields.items() if name in ("name", "description", "instructions")}
        self.agents[user_id, slug] = replace(own, **known)
        return self.agents[user_id, slug]

    async def create_agent(self, user_id: str, fields: JsonObject, most: int) -> Agent:
        self.calls.append(("create_agent", user_id, fields, most))
        await self._obey()
        return self.add_agent(user_id, **fields)

    async def change_agent(self, user_id: str, slug: str, fields: JsonObject) -> Agent:
        self.calls.append(("change_agent", user_id, slug, fields))
        await self._obey()
        self._agent(user_id, slug)
        return self.add_agent(user_id, slug, **fields)

    async def delete_agent(self, user_id: str, slug: str) -> None:
        self.calls.append(("delete_agent", user_id, slug))
        await self._obey()
        self._agent(user_id, slug)
        del self.agents[user_id, slug]

    def _agent(self, user_id: str, slug: str) -> Agent:
        if (user_id, slug) not in self.agents:
            raise NotFound(f"no agent {slug} of {user_id}")
        return self.agents[user_id, slug]

    async def get_statistics(self, window_seconds: int, bucket_seconds: int) -> JsonObject:
        self.calls.append(("get_statistics", window_seconds, bucket_seconds))
        await self._obey()
        counts = {
            "events": {"turn.accepted": 4, "turn.completed": 2, "turn.failed": 1, "run.conflicted": 3},
            "errors": {"run_failed": 1},
            "conflicted": {"turn.completed": 1},
            "tries": {"2": 1},
            "deferrals": {"provider_rate_limited": 5},
            "agent_turns": {"project_manager": 3},
            "input_tokens": {"project_manager": 30},
            "output_tokens": {"project_manager": 40},
            "waited_ms": {"p50": 10, "p95": 20, "p99": 30},
        }
        at = "2026-11-20T12:00:00+00:00"
        buckets = [{"at": at, "counts": counts}, {"at": None, "counts": counts}]
        breaker = {"provider": "responses", "model": None, "failures": 2, "code": "provider_auth", "failed_at": at}
        told = {"since": at, "now": at, "open": 1, "oldest_open_ms": 500, "buckets": buckets}
        return told | {"breakers": [breaker | {"open_ms": 30_000}]}

    def _watched(self, turn: Turn) -> JsonObject:
        facts = ("turn_id", "conversation_id", "seq", "agent", "attempt", "failures", "conflicts", "run_id")
        return {name: getattr(turn, name) for name in (*facts, "cancel_requested", "superseded_by", "created_at")} | {
            "status": turn.status.value,
            "strategy": turn.strategy.value,
            "blocked_by": None,
            "held_up_by": None,
            "joined_to": None,
            "code": None,
            "finished_at": turn.finished_at,
            "age_ms": 5000,
            "waited_ms": turn.waited_ms,
            "idle_ms": None,
            "input_tokens": turn.usage.input_tokens,
            "output_tokens": turn.usage.output_tokens,
            "head_turn_id": None,
            "lease": None,
        }

    async def list_watched(self, state: str, limit: int) -> list[JsonObject]:
        self.calls.append(("list_watched", state, limit))
        await self._obey()
        return [self._watched(turn) for turn in self.turns.values()][:limit]

    async def list_feedback(self, limit: int) -> JsonObject:
        self.calls.append(("list_feedback", limit))
        await self._obey()
        said = [
            {"turn_id": turn.turn_id, "agent": turn.agent, "good": True, "comment": None, "created_at": turn.created_at}
            for turn in self.turns.values()
        ]
        return {"agents": [], "feedback": said[:limit]}

    async def get_timeline(self, turn_id: str) -> tuple[JsonObject, list[JsonObject]]:
        self.calls.append(("get_timeline", turn_id))
        await self._obey()
        for (_, known), turn in self.turns.items():
            if known == turn_id:
                at = turn.created_at
                return self._watched(turn), [
                    {"at": at, "at_ms": 0, "name": "turn.accepted", "agent": turn.agent, "nth": 0},
                    {"at": at, "at_ms": 2, "name": "turn.claimed", "agent": turn.agent, "nth": 1},
                ]
        raise NotFound(f"no turn {turn_id}")

    def _fail(self) -> None:
        if self.fault is not None:
            raise StoreUnavailable(fault=self.fault)

    async def schema_version(self) -> str:
        self._fail()
        if isinstance(self.schema, Exception):
            raise self.schema
        return self.schema

    async def ping(self) -> bool:
        self.pings += 1
        self._fail()
        return self.healthy
