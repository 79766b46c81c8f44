"""What had been said by a turn that ends without a reply is kept: in its row, and as a line marked as cut off."""

from __future__ import annotations

import asyncio
import uuid
from contextlib import suppress

import pytest

from dev.emulator.testing import RunningEmulator
from shared.core.chat_events import MessageDelta
from shared.core.turns import Turn, TurnStatus
from shared.turn import run_end
from tests.service.instances import Instance, Instances, new_user
from tests.service.test_streams import opened, soon

SLOW = f"[[slow 8]] one two three {'and so on ' * 16}"  # an answer comes in eight pieces: these words in the first one
REPLY = "Emulated reply 1 to: one two three"


async def kept(one: Instance, turn: Turn) -> str:
    """The words in the row, which are those of the transcript's last line."""
    assert turn.error is not None
    words = str(turn.error["partial_text"])
    lines = await one.store.list_messages(turn.user_id, turn.conversation_id, after_seq=0, limit=9)
    assert [(line.role, line.partial) for line in lines] == [("user", False), ("assistant", True)]
    assert lines[1].text == words
    return words


@pytest.mark.parametrize("watched", [True, False], ids=["streamed", "not streamed"])
@pytest.mark.parametrize("where", ["here", "elsewhere"])
async def test_a_turn_that_is_stopped_keeps_what_was_said(instances: Instances, watched: bool, where: str) -> None:
    one, two, user, conversation = await instances.make(), await instances.make(), new_user(), str(uuid.uuid4())
    live = await opened(one, user, SLOW, conversation)
    async for event in live.events():
        if isinstance(event, MessageDelta) and "three" in event.text:
            break
    if not watched:
        live._watching.close()
    done = await (one if where == "here" else two).chat.cancel_turn(user, live.turn.turn_id, soon())
    await live.close()
    assert done.status is TurnStatus.CANCELLED
    assert (await kept(one, done)).startswith(REPLY)


async def test_a_turn_whose_holder_is_gone_keeps_what_its_run_has_said(
    instances: Instances, emulator: RunningEmulator
) -> None:
    one, two, user, conversation = await instances.make(), await instances.make(), new_user(), str(uuid.uuid4())
    live = await opened(one, user, SLOW, conversation)
    async for event in live.events():
        if isinstance(event, MessageDelta) and "three" in event.text:
            break
    live._work.cancel()
    with suppress(asyncio.CancelledError):
        await live.close()
    done = await two.chat.cancel_turn(user, live.turn.turn_id, soon())
    assert done.status is TurnStatus.CANCELLED
    assert (await kept(two, done)).startswith(REPLY)


@pytest.mark.parametrize("end", ["incomplete", "expired", "too slow"])
async def test_a_turn_that_fails_keeps_what_was_said(
    instances: Instances, emulator: RunningEmulator, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    monkeypatch.setattr(run_end, "RETRY_SECONDS", 0.01)  # an expired response is asked for again three times
    one, user = await instances.make(run_budget_seconds="1" if end == "too slow" else "60"), new_user()
    await emulator.configure(expiry_seconds=1 if end == "expired" else 600)
    directive = "[[incomplete]]" if end == "incomplete" else "[[slow 2]]"
    turn = await one.send(user, f"{directive} one two three four five six")
    assert turn.status is TurnStatus.FAILED
    assert (await kept(one, turn)).startswith("Emulated reply 1")
