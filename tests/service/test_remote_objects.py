"""Responses and assistants are deleted at the provider when no row needs them any more."""

from __future__ import annotations

import uuid

import pytest

from dev.emulator.testing import RunningEmulator, local_client
from tests.db.database import Database
from tests.service.instances import Instance, Instances, new_user
from tests.service.test_deletion import NO_SUCH, soon, tidy


@pytest.fixture(autouse=True)
def nothing_left(db: Database) -> None:
    db.run("delete from public.chat_conversations")
    db.run("delete from public.chat_threads")
    db.run("delete from public.chat_remote_objects")
    db.run("update public.chat_agents set assistant_id = null, assistant_made = false")


async def at_provider(emulator: RunningEmulator, kind: str) -> set[str]:
    """What can still be read there."""
    async with local_client(emulator.base_url, authorization="Bearer x") as client:
        if kind == "assistants":
            return {one["id"] for one in (await client.get("assistants")).json()["data"]}
        names = [one["id"] for one in (await emulator.state())[kind]]
        return {name for name in names if (await client.get(f"responses/{name}")).is_success}


async def used_assistant(one: Instance, emulator: RunningEmulator) -> set[str]:
    await one.send(new_user(), "hello")
    return await at_provider(emulator, "assistants")


@pytest.mark.parametrize("wire", ["responses"])
async def test_the_responses_of_a_conversation_go_with_it(
    instances: Instances, emulator: RunningEmulator, db: Database
) -> None:
    one, user, conversation = await instances.make(), new_user(), str(uuid.uuid4())
    for text in ("hello", "how are you"):
        await one.send(user, text, conversation)
    others = await at_provider(emulator, "responses")
    await one.send(new_user(), "hello")
    kept = await at_provider(emulator, "responses") - others
    assert (len(others), len(kept)) == (2, 1)
    await one.chat.delete_conversation(user, conversation, soon())
    assert (await tidy(one))["objects_deleted"] == 2
    assert await at_provider(emulator, "responses") == kept
    assert (await tidy(one))["objects_deleted"] == 0
    assert db.rows("select 1 as x from public.chat_remote_objects") == []


@pytest.mark.parametrize("wire", ["responses"])
@pytest.mark.parametrize(("status", "gone"), [(404, True), (405, True), (429, False), (500, False)])
async def test_a_server_that_does_not_delete_responses(
    instances: Instances, emulator: RunningEmulator, db: Database, status: int, gone: bool
) -> None:
    one, user, conversation = await instances.make(), new_user(), str(uuid.uuid4())
    await one.send(user, "hello", conversation)
    await one.chat.delete_conversation(user, conversation, soon())
    refusal = {"kind": "status", "status": status, "body": NO_SUCH}
    await emulator.fault(method="DELETE", path="/responses/", action=refusal)
    assert (await tidy(one))["objects_deleted"] == gone
    assert len(db.rows("select 1 as x from public.chat_remote_objects")) == (not gone)
    db.let_pass(61)
    assert (await tidy(one))["objects_deleted"] == (not gone)


@pytest.mark.parametrize("wire", ["assistants"])
async def test_an_assistant_goes_when_its_agent_has_another_or_is_gone(
    instances: Instances, emulator: RunningEmulator, db: Database
) -> None:
    one = await instances.make()
    used = await used_assistant(one, emulator)
    assert len(used) == 1
    assert (await tidy(one))["objects_deleted"] == 0
    assert await at_provider(emulator, "assistants") == used
    db.run("update public.chat_agents set assistant_id = null, assistant_made = false where assistant_made")
    assert (await tidy(one))["objects_deleted"] == 1
    assert await at_provider(emulator, "assistants") == set()


@pytest.mark.parametrize("wire", ["assistants"])
async def test_an_assistant_whose_maker_died_is_found_by_its_mark(
    instances: Instances, emulator: RunningEmulator, db: Database
) -> None:
    one = await instances.make()
    used = await used_assistant(one, emulator)
    db.run("update public.chat_remote_objects set object_id = null")  # the answer was lost
    never_made = str(uuid.uuid4())
    await one.store.begin_assistant(never_made)
    assert (await tidy(one))["objects_deleted"] == 0, "they may be under way"
    db.let_pass(601)
    assert (await tidy(one))["objects_deleted"] == 2
    assert await at_provider(emulator, "assistants") & used == set()
    assert db.rows("select 1 as x from public.chat_remote_objects") == []
