"""Strategy `coalesce`: which messages share a run."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.db.checker import check
from tests.db.database import Answer, Chat, new_id
from tests.db.test_displacement import RUN, served


def queue(chat: Chat, *texts: str, **changes: Any) -> list[str]:
    """Messages that wait behind one under way, which is answered then."""
    first = chat.submit(text="first")["claim"]
    turns = [chat.submit(text=text, **({"strategy": "coalesce"} | changes))["turn"]["turn_id"] for text in texts]
    chat.complete(first["epoch"], first["turn"]["turn_id"])
    return turns


def joined(answer: Answer) -> list[str]:
    return [one["text"] for one in answer["turn"]["joined"]]


def cancel(chat: Chat, turn: str) -> Answer:
    return chat.db.call("chat_cancel_turn", user=chat.user, turn=turn)


def test_messages_that_wait_are_joined_in_order(chat: Chat) -> None:
    turns = queue(chat, "a", "b", "c")
    assert [chat.get(turn)["turn"]["position"] for turn in turns] == [0, 1, 2]
    claim = chat.claim()
    assert (claim["turn"]["turn_id"], joined(claim), claim["message_count"]) == (turns[0], ["a", "b", "c"], 4)
    for turn in turns[1:]:
        row = chat.get(turn)["turn"]
        assert (row["status"], row["joined_to"], row["position"]) == ("queued", turns[0], 0)
        assert row["joined"] == claim["turn"]["joined"]
        edit = chat.db.call("chat_edit_turn", user=chat.user, turn=turn, text="x", op=new_id())
        assert edit["outcome"] == "already_started"
    later = chat.submit(text="d")
    assert later["turn"]["position"] == 1, "those that are joined hold up no other turn"
    assert chat.submit(open_per_conversation=4)["outcome"] == "queue_full", "but they are open"
    assert chat.submit(open_per_user=4)["outcome"] == "too_many_open"
    check(chat)
    chat.complete(claim["epoch"], turns[0], "to all")
    assert [line[2] for line in chat.lines()[2:]] == ["a", "b", "c", "to all"]
    assert served(chat) == ["d"]


def test_only_neighbours_of_the_same_mind_are_joined(chat: Chat) -> None:
    queue(chat, "a", "b")
    chat.submit(text="other", strategy="enqueue")
    chat.submit(text="c", strategy="coalesce")
    claim = chat.claim()
    assert joined(claim) == ["a", "b"]
    chat.complete(claim["epoch"], claim["turn"]["turn_id"])
    assert served(chat) == ["other", "c"]


def test_a_message_for_another_agent_is_not_joined(chat: Chat) -> None:
    queue(chat, "a")
    for text, agent in (("b", "orchestrator"), ("c", None), ("d", "script_writer"), ("e", None), ("f", "orchestrator")):
        chat.submit(text=text, agent=agent, strategy="coalesce")
    claims = []
    while (claim := chat.claim())["outcome"] == "claimed":
        claims.append((claim["agent"]["slug"], joined(claim)))
        told = [chat.get(one["turn_id"])["turn"]["agent"] for one in claim["turn"]["joined"]]
        assert set(told) <= {claim["agent"]["slug"]}, "one agent answers all"
        run = {"run_id": "r", "agent": claim["agent"]["slug"], "status": "completed"}
        patch = json.dumps({"reply": "x", "run": run})
        chat.advance(claim["epoch"], claim["turn"]["turn_id"], "completed", patch, lease_ms=0)
    assert claims == [("orchestrator", ["a", "b", "c"]), ("script_writer", ["d", "e"]), ("orchestrator", [])]


def test_a_pause_gathers_what_comes_quickly_within_bounds(chat: Chat) -> None:
    first = chat.submit(text="0", strategy="coalesce", gather_ms=1000)
    assert "claim" not in first
    for n in range(1, 6):
        backoff = chat.claim()
        assert (backoff["outcome"], backoff["retry_ms"] <= 1000) == ("backoff", True), n
        assert chat.get(first["turn"]["turn_id"])["claimable"] is False
        chat.db.let_pass(0.9)
        chat.submit(text=str(n), strategy="coalesce", gather_ms=1000)
    assert 0 < chat.claim()["retry_ms"] <= 500, "five times the pause is the most"
    chat.submit(text="6", strategy="coalesce", gather_ms=1000)
    chat.db.let_pass(0.5)
    assert joined(chat.claim()) == [str(n) for n in range(7)]


def test_a_pause_is_over_when_the_turn_is(chat: Chat) -> None:
    chat.submit(strategy="coalesce", gather_ms=60_000, ttl_ms=1000)
    chat.db.let_pass(1)
    assert chat.claim()["turn"]["status"] == "queued"


def test_without_a_pause_nothing_is_waited_for(chat: Chat) -> None:
    assert "claim" in chat.submit(strategy="coalesce")


@pytest.mark.parametrize("back", ["queued", "running", "starting"])
def test_what_was_asked_stays_as_it_was(chat: Chat, back: str) -> None:
    """A lost create may still be found: no turn is joined to a run that was not told its message."""
    turns = queue(chat, "a", "b")
    claim = chat.claim()
    late = [chat.submit(text=text, strategy="coalesce")["turn"]["turn_id"] for text in ("c", "d")]
    chat.advance(claim["epoch"], turns[0], back, RUN)
    again = chat.advance(claim["epoch"], turns[0], "starting")
    assert joined(again) == ["a", "b"]
    chat.advance(claim["epoch"], turns[0], "queued", lease_ms=0)
    taken = chat.claim()
    assert (taken["turn"]["attempt"], joined(taken)) == (3 + (back == "starting"), ["a", "b"])
    chat.complete(taken["epoch"], turns[0])
    assert chat.get(late[0])["turn"]["status"] == "queued"
    assert joined(chat.claim()) == ["c", "d"]
    check(chat)


def test_one_that_is_joined_is_not_the_head(chat: Chat) -> None:
    turns = queue(chat, "a", "b")
    epoch = chat.claim()["epoch"]
    assert chat.advance(epoch, turns[1], "starting")["outcome"] == "conflict"
    chat.db.let_pass(15)
    taken = chat.claim()
    assert (taken["turn"]["turn_id"], taken["fresh"], joined(taken)) == (turns[0], False, ["a", "b"])
    orphans = chat.db.call("chat_list_orphans", limit=200)["orphans"]
    assert chat.user not in {orphan["user_id"] for orphan in orphans}
    chat.fenced("chat_release_lease", epoch=taken["epoch"])
    orphans = chat.db.call("chat_list_orphans", limit=200)["orphans"]
    assert {o["newest_turn_id"] for o in orphans if o["user_id"] == chat.user} == {turns[1]}


def test_no_other_users_messages_are_joined(chat: Chat) -> None:
    other, elsewhere = Chat(chat.db, conversation=chat.conversation), Chat(chat.db, user=chat.user)
    for one in (other, elsewhere):
        one.submit(strategy="coalesce", owner=None)
    turns = queue(chat, "a", "b")
    assert joined(chat.claim()) == ["a", "b"]
    # even a row that names a turn of another user is shown nothing of it, and shows it nothing
    other.submit(owner=None)
    foreign = other.submit(strategy="coalesce", text="foreign", owner=None)["turn"]["turn_id"]
    chat.db.run("update public.chat_turns set joined_to = %s where id = %s", turns[0], foreign)
    assert "foreign" not in json.dumps(chat.get(turns[1]))
    row = other.get(foreign)["turn"]
    assert ([one["text"] for one in row["joined"]], row["position"]) == (["foreign"], 2)
