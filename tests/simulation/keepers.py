"""Who looks after conversations while they are being answered: names, rotates, closes, opens again and deletes them."""

from __future__ import annotations

import asyncio

from shared.core.turns import ConversationKey
from tests.simulation.changes import Change
from tests.simulation.instance import Instance, Work
from tests.simulation.people import TRIES, Person, users
from tests.simulation.world import World

BUDGET_SECONDS = 20.0
RETRY_SECONDS = 1.0
SIDE_BY_SIDE = 2  # of each user: what they want may contradict each other
HABITS = {"rotate": 0.35, "archive": 0.2, "rename": 0.2, "delete": 0.2, "delete all": 0.05}


class Keeper(Person):
    async def work(self) -> None:
        world, dice = self.world, self.world.minds
        for number in range(world.profile.changes):
            await asyncio.sleep(dice.uniform(0, 2 * world.profile.pause_seconds))
            known = sorted(
                key.conversation_id
                for key in world.taken
                if key.user_id == self.user.id and key not in world.changes.deleted
            )
            what = dice.choices([*HABITS], [*HABITS.values()])[0]
            if what == "delete all":
                await self.delete_all()
            elif known and what == "delete":
                await self.delete(dice.choice(known))
            elif known:
                await self.change(what, named := dice.choice(known), f"title {number}")
                if what == "archive" and dice.random() < 0.8:
                    await asyncio.sleep(dice.uniform(0, 5))
                    await self.change("reopen", named)

    async def delete(self, conversation_id: str) -> None:
        deadline = self.world.now + BUDGET_SECONDS
        await self._insist("delete", lambda one: one.chat.delete_conversation(self.user, conversation_id, deadline))

    async def delete_all(self) -> None:
        await self._insist(
            "delete", lambda one: one.chat.delete_conversations(self.user, self.world.now + BUDGET_SECONDS)
        )

    async def change(self, what: str, conversation_id: str, title: str = "") -> None:
        key = ConversationKey(self.user.id, conversation_id)
        change = Change(what, key, title if what == "rename" else None, self.world.now)
        self.world.changes.sent.append(change)

        async def work(instance: Instance) -> None:
            fields = {"title": title} if what == "rename" else {"archived": what == "archive"}
            if what == "rotate":
                await instance.store.rotate_conversation(self.user.id, conversation_id)
            else:
                await instance.store.change_conversation(self.user.id, conversation_id, fields)

        if await self._insist("change", work) == "open":
            change.done_at = self.world.now

    async def _insist(self, what: str, work: Work) -> str:
        """Ask until there is an answer; its code."""
        code = "silence"
        for _ in range(TRIES):
            code = (await self.ask(what, work, BUDGET_SECONDS)).code
            if code not in ("reset", "silence", "store_unavailable"):
                break
            await asyncio.sleep(RETRY_SECONDS)
        return code


def keepers(world: World) -> list[Keeper]:
    count = SIDE_BY_SIDE if world.profile.changes else 0
    return [Keeper(world, user) for user in users(world) for _ in range(count)]
