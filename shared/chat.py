"""ChatService: all that can be asked of turns and conversations, but for reading."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from shared import logs
from shared.core.chat_events import EventName
from shared.core.errors import Conflict, ConversationDeleted, NotFound
from shared.core.model import User
from shared.core.new_message import NewMessage
from shared.core.person_calls import PersonAnswer
from shared.core.turns import MultitaskStrategy, Turn, TurnStatus
from shared.deletions import AgeLimits, Deletions
from shared.instance.instance import Instance
from shared.live_turn import LiveTurn
from shared.ports import (
    Accepted,
    HeadRun,
    Lessee,
    Provider,
    QueueLimits,
    Submission,
)
from shared.tools.registry import Registry
from shared.turn.serve import TurnServer
from shared.turn.serving_options import ServingOptions
from shared.turn.turn_wait import TurnWait

CANCEL_ANSWER_SECONDS = 10.0  # what the answer to a cancel waits for the turn to end


@dataclass(frozen=True, slots=True)
class ChatOptions:
    serving: ServingOptions
    limits: QueueLimits
    turn_ttl_seconds: float
    age_limits: AgeLimits
    gather_seconds: float = 0.0  # COALESCE_SECONDS
    webhooks: bool = False  # the ends of turns are told to another service


class ChatService(Deletions):
    """Stateless but for its wake-ups: every instance can carry every turn on. Deadlines are on `clock.now()`."""

    def __init__(
        self, instance: Instance, providers: Mapping[str, Provider], registry: Registry, options: ChatOptions
    ) -> None:
        self._options, self._lessee = options, Lessee(str(uuid.uuid4()), instance.lease_seconds)
        self._server = TurnServer(instance, providers, registry, options.serving, self._lessee)
        super().__init__(instance, self._server, options.age_limits)
        self._wait = TurnWait(instance, self._server)

    async def take_turn(
        self, user: User, message: NewMessage, deadline: float, on_accepted: Callable[[Accepted], None] | None = None
    ) -> tuple[Turn, bool]:
        """Accept the message and bring it as far as it gets by `deadline`: the turn, and whether it was a replay.

        Raises Conflict, InvalidRequest, TooMany, StoreUnavailable: in none of these cases was anything accepted. A
        caller that ends the call is told by `on_accepted` what was.
        """
        accepted = await self._submit(user, message, deadline)
        if on_accepted is not None:
            on_accepted(accepted)
        return await self._work(accepted, deadline), accepted.replayed

    async def open_stream(self, user: User, message: NewMessage, deadline: float) -> LiveTurn:
        """As `take_turn`, for a caller that watches. With strategy reject it returns once the turn has its run."""
        accepted = await self._submit(user, message, deadline)
        work = functools.partial(self._work, accepted, deadline)
        live = LiveTurn(self._instance, self._server.provider, accepted.turn, work, replayed=accepted.replayed)
        if message.strategy is MultitaskStrategy.REJECT:
            try:
                await live.admitted()
            except BaseException:
                await live.close()
                raise
        return live

    async def attach(self, user: User, conversation_id: str, deadline: float) -> LiveTurn | None:
        """Watch the turn that is being answered now, and work on it; or the last one where a stream of it broke off.

        None where there is neither. Raises NotFound.
        """
        turn = await self._instance.store.follow_conversation(user.id, conversation_id)
        if turn is None:
            return None
        work = functools.partial(self._wait.see_through, turn, None, deadline)
        return LiveTurn(self._instance, self._server.provider, turn, work, follows=True)

    async def _submit(self, user: User, message: NewMessage, deadline: float) -> Accepted:
        submission = Submission(
            user_id=user.id,
            turn_id=str(uuid.uuid4()),
            conversation_id=message.conversation_id,
            new_conversation_id=str(uuid.uuid4()),
            scope=message.scope,
            text=message.text,
            agent=message.agent,
            strategy=message.strategy,
            metadata=message.metadata or {},
            idempotency_key=message.idempotency_key,
            request_hash=message.digest(),
            ttl_seconds=self._options.turn_ttl_seconds,
            gather_seconds=self._options.gather_seconds,
            conversation_ttl_seconds=self._options.age_limits.conversation_ttl_seconds,
            replaces=message.replaces,
            webhook=self._options.webhooks,
            chat=message.chat,
            limits=self._options.limits,
        )
        sent_at = self._instance.clock.now()
        # a request that does not wait would not do the work, and its claim would only keep others from doing it
        lessee = self._lessee if deadline > sent_at else None
        accepted = await self._instance.store.submit_turn(submission, lessee)
        turn = accepted.turn
        if message.strategy.displaces or turn.replaced is not None:
            self._instance.notify(turn.conversation)
            self._instance.announce(turn.conversation)  # what waited has ended with it
        name = EventName.TURN_REPLAYED if accepted.replayed else EventName.TURN_ACCEPTED
        logs.event(
            name,
            turn_id=turn.turn_id,
            conversation_id=turn.conversation_id,
            seq=turn.seq,
            strategy=turn.strategy.value,
            position=turn.position,
        )
        return accepted if accepted.claim is None else replace(accepted, claim=accepted.claim.sent(sent_at))

    async def _work(self, accepted: Accepted, deadline: float) -> Turn:
        displaces = accepted.turn.strategy.displaces and not accepted.replayed
        async with self._ending(accepted.turn, accepted.head_run if displaces else None):
            return await self._see_through_accepted(accepted, deadline)

    @contextlib.asynccontextmanager
    async def _ending(self, turn: Turn, run: HeadRun | None) -> AsyncIterator[None]:
        """Meanwhile the provider is asked for the end of this run, whose holder, in another process, hears of it."""
        served_here = run is not None and self._instance.logs.feeds(turn.conversation, run.turn_id)
        if run is None or served_here:  # a holder in this process has been woken
            yield
            return
        asking = asyncio.ensure_future(self._server.ask_for_end(run))
        try:
            yield
        finally:
            asking.cancel()
            await asyncio.wait({asking})

    async def _see_through_accepted(self, accepted: Accepted, deadline: float) -> Turn:
        return await self._wait.see_through(accepted.turn, accepted.claim, deadline, may_withdraw=not accepted.replayed)

    async def wait_turn(self, user: User, turn_id: str, deadline: float) -> Turn:
        """Wait for the turn, and work on its queue meanwhile. Raises NotFound, StoreUnavailable."""
        peek = await self._instance.store.get_turn(user.id, turn_id)
        if peek.turn.status is TurnStatus.REQUIRES_ACTION:  # a look from before a person spoke says that it still waits
            self._instance.reads.forget(peek.turn.conversation)
        with _deleted_is_not_found():
            return await self._wait.see_through(peek.turn, None, deadline)

    async def carry_on(self, run_id: str, deadline: float) -> None:
        """A run has ended, says its provider: work on the turn that waits for it, if any. Raises StoreUnavailable."""
        with contextlib.suppress(NotFound):
            await self._wait.see_through(await self._instance.store.find_run(run_id), None, deadline)

    async def cancel_turn(self, user: User, turn_id: str, deadline: float) -> Turn:
        """Stop the turn: the answer is its real outcome where that came first. Raises NotFound, StoreUnavailable."""
        stopping = await self._instance.store.cancel_turn(user.id, turn_id)
        turn, run = stopping.turn, stopping.head_run
        self._instance.notify(turn.conversation)
        self._instance.announce(turn.conversation)
        deadline = min(deadline, self._instance.clock.now() + CANCEL_ANSWER_SECONDS)
        with _deleted_is_not_found():
            async with self._ending(turn, run if run is not None and run.turn_id == turn.leading_id else None):
                return await self._wait.see_through(turn, None, deadline)

    async def edit_turn(self, user: User, turn_id: str, text: str) -> Turn:
        """Change a message that is still queued. Raises NotFound, Conflict (`already_started`), StoreUnavailable."""
        turn = await self._instance.store.edit_turn(user.id, turn_id, text)
        self._instance.reads.forget(turn.conversation)
        return turn

    async def answer_call(self, user: User, turn_id: str, answer: PersonAnswer, deadline: float) -> Turn:
        """Say to a call what the user says, and carry the turn on. Raises as `Store.answer_call`."""
        turn = await self._answer(user, turn_id, answer)
        return await self._wait.see_through(turn, None, deadline)

    async def open_answers(
        self, user: User, turn_id: str, answers: Sequence[PersonAnswer], deadline: float
    ) -> LiveTurn:
        """Say all of these, and watch the turn go on. What was answered before stays as it is.

        Raises NotFound, InvalidRequest, StoreUnavailable.
        """
        for answer in answers:
            with contextlib.suppress(Conflict, NotFound):  # a chat repeats what it knows with what is new
                await self._answer(user, turn_id, answer)
        turn = (await self._instance.store.get_turn(user.id, turn_id)).turn
        work = functools.partial(self._wait.see_through, turn, None, deadline)
        return LiveTurn(self._instance, self._server.provider, turn, work)

    async def _answer(self, user: User, turn_id: str, answer: PersonAnswer) -> Turn:
        turn = await self._instance.store.answer_call(user.id, turn_id, answer)
        self._instance.reads.forget(turn.conversation)
        self._instance.notify(turn.conversation)
        logs.event(
            EventName.PERSON_ANSWERED,
            turn_id=turn.turn_id,
            conversation_id=turn.conversation_id,
            seq=turn.seq,
            waiting=len(turn.calls),
        )
        return turn


@contextlib.contextmanager
def _deleted_is_not_found() -> Iterator[None]:
    """For requests other than the message's own."""
    try:
        yield
    except ConversationDeleted:
        raise NotFound() from None
