"""Who uses the service: users with several tabs, who retry, lose patience, change their minds and try others' ids."""

from __future__ import annotations

import asyncio
import functools
import uuid
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from shared.core.errors import ChatError
from shared.core.model import User
from shared.core.new_message import NewMessage
from shared.core.person_calls import PersonAnswer, PersonCall, PersonCallKind
from shared.core.turns import ConversationKey, MultitaskStrategy, Turn, TurnStatus
from tests.simulation.instance import Instance, Work
from tests.simulation.team import BOSS
from tests.simulation.world import Answer, Reset, World

IMPATIENCE_SECONDS = 15.0  # beyond its budget, then the client hangs up
TRIES = 60
STRANGE = "not_found"


class Person:
    """A user's way to the service: sends requests and keeps what came back."""

    def __init__(self, world: World, user: User) -> None:
        self.world, self.user = world, user

    async def ask(self, what: str, work: Work, wait: float, key: str | None = None) -> Answer:
        """One request to wherever the platform sends it. `code` is "reset" or "silence" where no response came."""
        world = self.world
        sent, frozen, turn, code = world.now, False, None, "open"

        async def answered(instance: Instance) -> Turn | ChatError:
            try:
                found: Turn = await instance.door(_as_coroutine(work, instance), world.now + wait)
                return found
            except ChatError as error:
                return error

        try:
            async with asyncio.timeout(wait + IMPATIENCE_SECONDS):
                result, frozen = await world.request(answered)
        except Reset:
            return Answer(what, self.user.id, key, wait, world.now - sent, True, "reset")
        except TimeoutError:
            return Answer(what, self.user.id, key, wait, world.now - sent, True, "silence")
        if isinstance(result, ChatError):
            code = result.code
        elif isinstance(result, Turn):
            turn, code = result, "final" if result.status.final else "open"
            if world.changes.deleted.get(turn.conversation, sent) < sent:
                world.blame(f"{turn.turn_id} was shown though it had been deleted")
            world.owners[turn.turn_id] = self.user.id
            if all(one.turn_id != turn.turn_id for one in world.taken[turn.conversation]):
                world.taken[turn.conversation].append(turn)
        answer = Answer(what, self.user.id, key, wait, world.now - sent, frozen, code, turn)
        world.answers.append(answer)
        return answer

    async def post(self, key: str, conversation: str, text: str, strategy: MultitaskStrategy, wait: float) -> Answer:
        unnamed = (self.user.id, key) not in self.world.addressed
        if strategy is MultitaskStrategy.STEER:  # most join whichever agent is at work
            named = BOSS if unnamed and self.world.mind(self.world.profile.team / 2) else None
        else:
            named = BOSS if unnamed and self.world.chance(self.world.profile.team) else None
        agent = self.world.addressed.setdefault((self.user.id, key), named)
        message = NewMessage(
            text=text, conversation_id=conversation, strategy=strategy, idempotency_key=key, agent=agent
        )
        self.world.sent.setdefault((self.user.id, key), (conversation, text))
        sent_at = self.world.now
        answer = await self._take_turn("post", message, wait)
        place = ConversationKey(self.user.id, conversation)
        if not self.world.changes.explain(answer.code, place, sent_at, self.world.now):
            self.world.blame(f"key {key} was answered {answer.code}, which nothing explains")
        return answer

    async def replace(self, key: str, conversation: str, turn_id: str, text: str | None, wait: float) -> Answer:
        """Send a message in the place of this turn; without a text the same one once more."""
        self.world.sent.setdefault((self.user.id, key), (conversation, text))
        return await self._take_turn("replace", NewMessage(text=text, idempotency_key=key, replaces=turn_id), wait)

    async def _take_turn(self, what: str, message: NewMessage, wait: float) -> Answer:

        async def work(instance: Instance) -> Turn:
            turn, _ = await instance.chat.take_turn(self.user, message, self.world.now + wait)
            return turn

        return await self.ask(what, work, wait, message.idempotency_key)

    async def get(self, turn_id: str, wait: float, key: str | None = None) -> Answer:
        return await self.ask(
            "get", lambda one: one.chat.wait_turn(self.user, turn_id, self.world.now + wait), wait, key
        )

    async def answer(self, turn: Turn, call: PersonCall, approve: bool) -> None:
        """Say whether a call may run; or answer it, or not. This turn may have joined the one that waits."""
        call_id, words, about = call.call_id, None, (turn.leading_id, call.call_id)
        if approve and call.kind is not PersonCallKind.APPROVAL:
            words = f"word {sum(map(len, self.world.said.values()))} to {call.name}"
        said = PersonAnswer(call_id, approve=approve if words is None else None, output=words)
        answer = await self.ask(
            "answer", lambda one: one.chat.answer_call(self.user, turn.turn_id, said, self.world.now), 0.0
        )
        if answer.code in ("open", "final"):
            self.world.said.setdefault(about, []).append(approve if words is None else words)
        elif answer.code not in ("already_answered", STRANGE):
            self.world.perhaps.setdefault(about, []).append(approve if words is None else words)


class Tab(Person):
    """Sends its messages one after the other and sees each through to its answer, or leaves."""

    def __init__(self, world: World, user: User, conversation: str, name: str) -> None:
        super().__init__(world, user)
        self._conversation, self._name = conversation, name

    async def work(self) -> None:
        world, rng = self.world, self.world.rng
        for number in range(world.profile.messages):
            await asyncio.sleep(rng.uniform(0, world.profile.pause_seconds))
            key = f"{self._name}.{number}"
            strategy = MultitaskStrategy(rng.choices([*world.strategies], [*world.strategies.values()])[0])
            done = await self._see_through(key, f"message {key}", strategy)
            if done is not None and world.mind(world.profile.replaces):
                await self._replace(done, f"{key}, again")
            if done is not None and world.chance(0.3):
                await self._ask_again(key, f"message {key}", strategy, done)

    async def _see_through(self, key: str, text: str, strategy: MultitaskStrategy) -> Turn | None:
        return await self._until_final(
            key, lambda wait: self.post(key, self._conversation, text, strategy, wait),
            lambda turn: self._change_mind(turn, text),
        )  # fmt: skip

    async def _until_final(
        self, key: str, send: Callable[[float], Awaitable[Answer]], accepted: Callable[[Turn], None]
    ) -> Turn | None:
        """Send until there is an answer, within the person's patience; `accepted` is called once the turn is known."""
        world, rng, turn_id = self.world, self.world.rng, None
        for _ in range(TRIES):
            wait = rng.choice(world.profile.waits)
            if turn_id is not None and world.chance(0.5):
                answer = await self.get(turn_id, wait, key)
            else:
                answer = await send(wait)
            if answer.turn is not None:
                if turn_id is None:
                    accepted(answer.turn)
                turn_id = answer.turn.turn_id
            if answer.code == "final":
                return answer.turn  # type: ignore[no-any-return]
            if answer.turn is not None and answer.turn.status is TurnStatus.WAITING:
                await self._say(answer.turn)
            if answer.code in ("run_in_progress", "conversation_archived", STRANGE) and world.chance(0.5):
                return None
            if answer.code == "unknown_agent":
                return None
            if answer.code == "conversation_deleted":
                self._conversation = _successor(self._conversation)
                return None
            if answer.code in ("open", "reset", "silence") and world.chance(world.profile.vanishes):
                return None
            await asyncio.sleep(rng.uniform(0.2, 3))
        world.counts["gave up"] += 1
        return None

    async def _say(self, turn: Turn) -> None:
        """Answer the calls that wait, some of them twice and differently; or leave them to their time."""
        for call in turn.calls:
            if self.world.chance(0.15):
                continue
            approve = self.world.chance(0.75)
            await self.answer(turn, call, approve)
            if self.world.chance(0.4):
                await self.answer(turn, call, not approve)

    async def _ask_again(self, key: str, text: str, strategy: MultitaskStrategy, done: Turn) -> None:
        """Long after the end: the same answer, and no other message under the same key."""
        await asyncio.sleep(self.world.rng.uniform(0, 20))
        await self.post(key, self._conversation, text, strategy, 3.0)
        await self.get(done.turn_id, 0.0, key)
        other = await self.post(key, self._conversation, f"{text}, or not", strategy, 0.0)
        if other.turn is not None:
            self.world.blame(f"G4 key {key} took another body")

    def _change_mind(self, turn: Turn, text: str) -> None:
        world, turn_id = self.world, turn.turn_id
        if world.chance(world.profile.cancels):
            world.spawn(self._cancel(turn_id))
        if world.chance(world.profile.edits):
            world.spawn(self._edit(turn_id, f"{text}, edited"))
        if world.mind(world.profile.replaces):
            world.spawn(self._replace_soon(turn))

    async def _replace_soon(self, turn: Turn) -> None:
        """While it waits or is answered, and perhaps from two tabs at once."""
        await asyncio.sleep(self.world.minds.uniform(0, 8))
        tabs = 2 if self.world.mind(0.3) else 1
        await asyncio.gather(*(self._replace(turn, f"of {turn.turn_id[:8]}, {number}") for number in range(tabs)))

    async def _replace(self, turn: Turn, key: str) -> None:
        """Have this turn, or one before it, edited or answered once more; and cancelled, as any other may be."""
        world = self.world
        known = [one for one in world.taken[turn.conversation] if one.seq <= turn.seq]
        turn = world.minds.choice(known) if world.mind(0.3) else turn
        text, conversation = f"message {key}, instead" if world.mind(0.5) else None, turn.conversation_id

        def accepted(new: Turn) -> None:
            if world.chance(world.profile.cancels):
                world.spawn(self._cancel(new.turn_id))

        await self._until_final(key, lambda wait: self.replace(key, conversation, turn.turn_id, text, wait), accepted)

    async def _cancel(self, turn_id: str) -> None:
        world = self.world
        await asyncio.sleep(world.rng.uniform(0, 8))
        world.cancels.setdefault(turn_id, world.now)
        world.note(f"cancel of {turn_id}")
        answer = await self.ask("cancel", lambda one: one.chat.cancel_turn(self.user, turn_id, world.now + 15.0), 15.0)
        if answer.turn is not None:
            world.cancelled.setdefault(turn_id, world.now - answer.took)

    async def _edit(self, turn_id: str, text: str) -> None:
        world = self.world
        await asyncio.sleep(world.rng.uniform(0, 3))
        world.edits.setdefault(turn_id, []).append(text)
        await self.ask("edit", lambda one: one.chat.edit_turn(self.user, turn_id, text), 0.0)


class Snoop(Person):
    """Asks for turns of other users, by their very ids."""

    async def work(self) -> None:
        world = self.world
        while True:
            await asyncio.sleep(world.rng.uniform(3, 15))
            others = [turn_id for turn_id, user_id in world.owners.items() if user_id != self.user.id]
            if not others:
                continue
            turn_id = world.rng.choice(others)
            owner = world.owners[turn_id]
            answers = [
                await self.get(turn_id, 0.0),
                await self.ask("cancel", lambda one: one.chat.cancel_turn(self.user, turn_id, world.now), 0.0),  # noqa: B023
                await self.ask("edit", lambda one: one.chat.edit_turn(self.user, turn_id, "mine"), 0.0),  # noqa: B023
            ]
            if world.profile.asks_people:
                said = PersonAnswer(f"call_{turn_id}", approve=True)
                work = functools.partial(_answered_by, self.user, turn_id, said)
                answers.append(await self.ask("answer", work, 0.0))
            world.owners[turn_id] = owner
            for answer in answers:
                if answer.code not in (STRANGE, "store_unavailable", "reset", "silence"):
                    world.blame(f"G7 {self.user.id} got {answer.code} for a {answer.what} of {owner}'s turn {turn_id}")


def users(world: World) -> list[User]:
    return [User(str(uuid.UUID(int=number + 1)), "authenticated") for number in range(world.profile.users)]


def tabs(world: World) -> list[Tab]:
    """Every user has a conversation of the same id, and half of the tabs a second one."""
    shared, second = str(uuid.UUID(int=1000)), str(uuid.UUID(int=1001))
    return [
        Tab(world, user, second if number and world.chance(0.25) else shared, f"u{index}t{number}")
        for index, user in enumerate(users(world))
        for number in range(world.profile.tabs)
    ]


def _successor(conversation_id: str) -> str:
    """Where the user of a deleted conversation goes on."""
    return str(uuid.UUID(int=uuid.UUID(conversation_id).int + 10))


async def _answered_by(user: User, turn_id: str, said: PersonAnswer, one: Instance) -> Turn:
    return await one.chat.answer_call(user, turn_id, said, one.world.now)


async def _as_coroutine(work: Work, instance: Instance) -> Any:
    return await work(instance)


Errand = Coroutine[Any, Any, None]
