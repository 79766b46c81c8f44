"""What a stranger gets: the whole stack as `python -m dev` starts it, two instances, messages all at once."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from itertools import pairwise

import pytest

from tests.e2e.stack import Stack, all_of, ask, stack

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module", params=[("responses", "pglite"), ("assistants", "postgres")], ids=lambda p: p[0])
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    wire, database = request.param
    directory = tmp_path_factory.mktemp(wire)
    with stack(directory, "--instances", "2", "--db", database, PROVIDER=wire, MAX_OPEN_TURNS="20") as started:
        yield started


async def test_twelve_messages_at_once_to_one_conversation(running: Stack) -> None:
    user, conversation = str(uuid.uuid4()), str(uuid.uuid4())
    people = [running.person(n, user_id=user) for n in range(12)]
    answers = await all_of(*(ask(who, f"message {n}", conversation) for n, who in enumerate(people)))
    assert [answer.status_code for answer in answers] == [200] * 12
    turns = sorted((answer.json() for answer in answers), key=lambda turn: turn["seq"])
    assert [turn["seq"] for turn in turns] == list(range(1, 13))
    sent = {answer.json()["turn_id"]: f"message {n}" for n, answer in enumerate(answers)}
    for number, turn in enumerate(turns, start=1):
        assert turn["reply"]["text"] == f"Emulated reply {number} to: {sent[turn['turn_id']]}"
    transcript = (await people[0].get(f"/conversations/{conversation}/messages", params={"limit": 100})).json()
    lines = [(line["role"], line["turn_seq"]) for line in transcript["messages"]]
    assert lines == [(role, seq) for seq in range(1, 13) for role in ("user", "assistant")]
    state = await running.emulator_state()
    assert state["violations"] == []
    assert max(state["max_active"].values()) == 1
    for who in people:
        await who.aclose()


async def test_twelve_messages_at_once_to_twelve_conversations(running: Stack) -> None:
    user = str(uuid.uuid4())
    people = [running.person(n, user_id=user) for n in range(12)]
    answers = await all_of(*(ask(who, f"alone {n}", str(uuid.uuid4())) for n, who in enumerate(people)))
    assert [answer.status_code for answer in answers] == [200] * 12
    assert [answer.json()["reply"]["text"] for answer in answers] == [
        f"Emulated reply 1 to: alone {n}" for n in range(12)
    ]
    for who in people:
        await who.aclose()


async def test_the_handle_of_a_202_works_at_the_other_instance(running: Stack) -> None:
    user, conversation = str(uuid.uuid4()), str(uuid.uuid4())
    async with running.person(0, user_id=user) as here, running.person(1, user_id=user) as there:
        accepted = await ask(here, "[[slow 2]] take your time", conversation, wait_seconds=0.3)
        assert accepted.status_code == 202
        assert accepted.headers["retry-after"]
        handle = accepted.headers["location"]
        done = await there.get(handle, params={"wait_seconds": 20})
        assert done.json()["status"] == "completed"
        assert done.json()["reply"]["text"] == "Emulated reply 1 to: take your time"


async def test_a_conversation_is_deleted_under_a_message_that_waits_at_the_other_instance(running: Stack) -> None:
    user, conversation = str(uuid.uuid4()), str(uuid.uuid4())
    async with running.person(0, user_id=user) as here, running.person(1, user_id=user) as there:
        assert (await ask(here, "hello", conversation)).status_code == 200
        waiting = asyncio.create_task(ask(here, "[[never]] secret", conversation))
        while not (await there.get(f"/conversations/{conversation}")).json()["active_run"]:
            pass
        assert (await there.delete(f"/conversations/{conversation}")).status_code == 204
        told = await waiting
        assert (told.status_code, told.json()["code"]) == (410, "conversation_deleted")
        assert (await here.get(f"/conversations/{conversation}")).status_code == 404
        assert (await ask(there, "hello", conversation)).status_code == 410


async def test_another_user_sees_nothing(running: Stack) -> None:
    conversation = str(uuid.uuid4())
    async with running.person(0) as owner, running.person(1) as other:
        turn = (await ask(owner, "mine", conversation)).json()
        paths = [
            f"/turns/{turn['turn_id']}",
            f"/conversations/{conversation}",
            f"/conversations/{conversation}/messages",
        ]
        for path in paths:
            random = path.replace(turn["turn_id"], str(uuid.uuid4())).replace(conversation, str(uuid.uuid4()))
            theirs, nobodys = await other.get(path), await other.get(random)
            assert theirs.status_code == nobodys.status_code == 404
            assert {**theirs.json(), "request_id": ""} == {**nobodys.json(), "request_id": ""}
        mine = await ask(other, "hello", conversation)
        assert mine.json()["reply"]["text"] == "Emulated reply 1 to: hello"


async def test_three_agents_with_tools_answer_one_message_and_the_next_goes_to_the_last(running: Stack) -> None:
    user, conversation = str(uuid.uuid4()), str(uuid.uuid4())
    team = ["orchestrator", "script_writer", "scene_describer"]
    async with running.person(0, user_id=user) as here, running.person(1, user_id=user) as there:
        answer = await ask(here, "write a script about owls and describe its scenes", conversation)
        assert answer.status_code == 200, answer.text
        turn = answer.json()
        agents = [run["agent"] for run in turn["runs"]]
        assert [agent for at, agent in enumerate(agents) if agent not in agents[:at]] == team
        assert {run["status"] for run in turn["runs"]} == {"completed"}
        assert [(made["from"], made["to"]) for made in turn["handoffs"]] == list(pairwise(team))
        assert (turn["agent"], "owls" in turn["reply"]["text"]) == ("scene_describer", True)
        transcript = (await there.get(f"/conversations/{conversation}/messages")).json()["messages"]
        assert [(line["role"], line["agent"], line["handoff_to"]) for line in transcript] == [
            ("user", None, None),
            ("assistant", "orchestrator", "script_writer"),
            ("assistant", "script_writer", "scene_describer"),
            ("assistant", "scene_describer", None),
        ]
        assert transcript[2]["text"].startswith("Emulated script: owls")
        following = (await ask(there, "thank you", conversation)).json()
        assert following["agent"] == "scene_describer"
    state = await running.emulator_state()
    assert state["violations"] == []
    assert [run["id"] for run in state["runs"] if run["status"] == "requires_action"] == []


async def test_a_message_at_one_instance_joins_the_turn_at_the_other(running: Stack) -> None:
    """The turn waits for its user, so that nothing hangs on how fast it is."""
    user, conversation = str(uuid.uuid4()), str(uuid.uuid4())
    row = {"owner_id": user, "slug": "asker", "name": "Asker", "model": "emulated-model", "tools": ["write_project"]}
    async with running.person(0, user_id=user) as here, running.person(1, user_id=user) as there:
        keys = {"apikey": running.secret_key, "authorization": f"Bearer {running.secret_key}"}
        url = f"{running.supabase}/rest/v1/chat_agents"
        (await here.post(url, headers=keys, json=row | {"approvals": ["write_project"]})).raise_for_status()
        text = '[[aside Let me write.]] [[tool write_project {"title": "Owls"}]] go'
        turn = (await ask(here, text, conversation, agent="asker")).json()
        assert turn["status"] == "waiting", turn
        steered = await ask(there, "in green", conversation, multitask_strategy="steer", wait_seconds=0)
        assert (steered.status_code, "steered_into" in steered.json()) == (202, False)
        said = {"call_id": turn["calls"][0]["call_id"], "approve": True}
        (await there.post(f"/turns/{turn['turn_id']}/answers", json=said)).raise_for_status()
        done = (await here.get(f"/turns/{turn['turn_id']}", params={"wait_seconds": 20})).json()
        told = (await there.get(f"/turns/{steered.json()['turn_id']}", params={"wait_seconds": 20})).json()
        assert done["status"] == "completed", done
        assert done["reply"]["text"].startswith("Emulated reply 2 to: in green"), done
        assert (told["status"], told["reply"], told["steered_into"]) == ("completed", done["reply"], turn["turn_id"])
        assert done["covers"] == [turn["turn_id"], told["turn_id"]]
        transcript = (await there.get(f"/conversations/{conversation}/messages")).json()["messages"]
        assert [line["text"] for line in transcript] == [text, "Let me write.", "in green", done["reply"]["text"]]
    assert (await running.emulator_state())["violations"] == []
