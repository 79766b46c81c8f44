"""A wake-up reaches the requests that wait for its conversation, and no others."""

from __future__ import annotations

import asyncio

from shared.core.turns import ConversationKey
from shared.instance.wakeups import LocalWakeups

LONG = 3600.0


async def test_a_wakeup_reaches_every_request_of_its_conversation() -> None:
    wakeups, key = LocalWakeups(), ConversationKey("u", "c")
    waiting = [asyncio.create_task(wakeups.wait(key, LONG)) for _ in range(2)]
    await asyncio.sleep(0)
    wakeups.notify(key)
    await asyncio.wait_for(asyncio.gather(*waiting), 1)


async def test_a_conversation_of_another_user_with_the_same_id_is_not_woken() -> None:
    wakeups = LocalWakeups()
    waiting = asyncio.create_task(wakeups.wait(ConversationKey("u", "c"), LONG))
    await asyncio.sleep(0)
    wakeups.notify(ConversationKey("v", "c"))
    for _ in range(3):
        await asyncio.sleep(0)
    assert not waiting.done()
    wakeups.notify(ConversationKey("u", "c"))
    await asyncio.wait_for(waiting, 1)
    assert not wakeups._signals
