"""Breakers on a real Postgres: what opens and closes one, where turns begin meanwhile, and many at once."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

import pytest

from tests.db.database import Answer, Chat, Database, Session, new_id

FIRST, SECOND, THIRD = "first", "second", "third"
Failing = dict[str, Any]
MODEL: Failing = {"provider": "responses", "by_default": True, "model": FIRST, "open_after": 2, "code": "a_model"}
WIRE: Failing = MODEL | {"model": None, "code": "a_key"}


@pytest.fixture(autouse=True)
def _no_turn_is_left(db: Database) -> Iterator[None]:
    """Each turn here has a conversation of its own, and most stay open: lists of open turns are for other tests."""
    yield
    owners = "select owner_id from public.chat_agents where slug = 'worker'"
    db.run(f"delete from public.chat_conversations where user_id in ({owners})")


def agent(chat: Chat, slug: str = "worker", provider: str | None = None, **columns: Any) -> str:
    """Of this user, with two fallbacks unless said otherwise."""
    fallbacks = columns.pop("fallbacks", [{"model": SECOND}, {"model": THIRD}])
    chat.db.run(
        "insert into public.chat_agents (owner_id, slug, name, model, provider, fallbacks, handoffs)"
        " values (%s, %s, %s, %s, %s, %s, %s)",
        chat.user, slug, slug, FIRST, provider, json.dumps(fallbacks), columns.pop("handoffs", []),
    )  # fmt: skip
    return slug


def begun(db: Database, session: Session | None = None, **columns: Any) -> tuple[Chat, Answer]:
    """A first message to such an agent in a conversation of its own, with the claim on it."""
    chat = Chat(db)
    claim: Answer = chat.submit(session, agent=agent(chat, **columns))["claim"]
    return chat, claim


def begins_with(db: Database, **columns: Any) -> int:
    return int(begun(db, **columns)[1]["turn"]["fallback"])


def fail(db: Database, failing: Failing = MODEL, times: int = 1) -> list[str | None]:
    """What became of the breaker each time."""
    opened = []
    for _ in range(times):
        chat, claim = begun(db)
        patch = json.dumps({"fallback": 1, "failed_choice": failing})
        opened.append(chat.advance(claim["epoch"], claim["turn"]["turn_id"], "queued", patch)["turn"].get("breaker"))
    return opened


def proven(claim: Answer, choice: int = 0, model: str = FIRST, provider: str | None = None) -> dict[str, Any]:
    failed_us = claim["agent"]["troubled"][str(choice)]
    return {"proven_choice": {"provider": provider, "model": model, "failed_us": failed_us}}


def succeed(chat: Chat, claim: Answer, session: Session | None = None, **proof: Any) -> str | None:
    patch = json.dumps({"reply": "answer"} | proven(claim, **proof))
    turn = chat.advance(claim["epoch"], claim["turn"]["turn_id"], "completed", patch, session, lease_ms=0)["turn"]
    assert turn["status"] == "completed"
    breaker: str | None = turn.get("breaker")
    return breaker


def breakers(db: Database) -> list[dict[str, Any]]:
    return db.rows("select provider, model, failures, openings from public.chat_breakers order by model")


def test_it_opens_after_some_in_a_row_and_turns_begin_with_the_next(db: Database) -> None:
    assert fail(db) == [None]
    assert begins_with(db) == 0
    assert fail(db) == ["opened"]
    _, claim = begun(db)
    assert (claim["turn"]["fallback"], claim["turn"]["choices"]) == (1, [1, 2, 0])
    assert claim["fresh"], "it is told with the intent, which is still to be used"


@pytest.mark.parametrize(("openings", "seconds"), [(1, 30), (2, 60), (3, 120), (5, 480), (6, 600), (50, 600)])
def test_how_long_it_stays_open(db: Database, openings: int, seconds: int) -> None:
    told = db.rows("select extract(epoch from chat_internal.breaker_pause(%s))::int as seconds", openings)
    assert told == [{"seconds": seconds}]


def test_one_at_a_time_tries_again_and_is_not_waited_for_for_ever(db: Database) -> None:
    fail(db, times=2)
    db.let_pass(29)
    assert begins_with(db) == 1
    db.let_pass(1.1)
    assert [begins_with(db) for _ in range(3)] == [0, 1, 1]
    db.let_pass(15.1)
    assert [begins_with(db) for _ in range(2)] == [0, 1], "no more was heard of the first one"


def test_one_that_tries_in_vain_opens_it_for_twice_as_long(db: Database) -> None:
    fail(db, times=2)
    db.let_pass(30.1)
    assert fail(db) == ["opened"]
    db.let_pass(59)
    assert begins_with(db) == 1
    db.let_pass(1.1)
    assert begins_with(db) == 0


def test_failures_that_were_on_their_way_do_not_make_it_longer(db: Database) -> None:
    assert fail(db, times=9) == [None, "opened", *[None] * 7]
    db.let_pass(30.1)
    assert begins_with(db) == 0


def test_one_success_closes_it(db: Database) -> None:
    fail(db, times=2)
    db.let_pass(30.1)
    chat, claim = begun(db)
    assert succeed(chat, claim) == "closed"
    assert (breakers(db), begins_with(db)) == ([], 0)
    assert fail(db) == [None], "it counts anew"


def test_a_success_ends_the_row_before_it_has_opened(db: Database) -> None:
    fail(db)
    chat, claim = begun(db)
    assert succeed(chat, claim) is None, "it was not open"
    assert breakers(db) == []


def test_what_was_asked_before_a_failure_says_nothing_about_it(db: Database) -> None:
    fail(db)
    chat, claim = begun(db)
    fail(db)
    assert succeed(chat, claim) is None
    assert begins_with(db) == 1


def test_the_wire_that_is_meant_by_default_is_the_same_by_its_name(db: Database) -> None:
    fail(db, times=2)
    assert [begins_with(db, provider=name) for name in (None, "responses", "assistants")] == [1, 1, 0]
    db.run("update public.chat_breakers set by_default = false")
    assert [begins_with(db, provider=name) for name in (None, "responses")] == [0, 1]


def test_a_key_shuts_all_models_of_its_wire(db: Database) -> None:
    fail(db, WIRE, times=2)
    other = [{"model": SECOND}, {"provider": "assistants"}]
    _, claim = begun(db, fallbacks=other)
    assert (claim["turn"]["fallback"], claim["turn"]["choices"]) == (2, [2, 0, 1])


def test_an_agent_whose_choices_are_all_open_is_tried_as_it_stands(db: Database) -> None:
    fail(db, WIRE, times=2)
    _, claim = begun(db)
    assert (claim["turn"]["fallback"], claim["turn"]["choices"]) == (0, None)
    chat, claim = begun(db)
    assert succeed(chat, claim) == "closed", "what is known now is known, at any time of its own"


def test_an_agent_without_fallbacks_is_none_the_wiser(db: Database) -> None:
    fail(db, times=2)
    db.let_pass(30.1)
    _, claim = begun(db, fallbacks=[])
    assert claim["turn"]["fallback"] == 0
    assert "troubled" not in claim["agent"]
    assert begins_with(db) == 0, "it has tried for no other one"


def test_a_turn_that_was_started_before_is_not_moved(db: Database) -> None:
    """Its create may be on its way, or it has a run."""
    chat, _ = begun(db)
    waiting, first = begun(db)
    waiting.advance(first["epoch"], first["turn"]["turn_id"], "queued", "{}", lease_ms=0)
    fail(db, times=2)
    db.let_pass(16)
    for one, status in ((chat, "starting"), (waiting, "starting")):
        again = one.claim()
        assert (again["turn"]["fallback"], again["turn"]["choices"], again["turn"]["status"]) == (0, None, status)


def test_the_one_that_takes_over_goes_on_with_the_choice_on_record(db: Database) -> None:
    fail(db, times=2)
    chat, claim = begun(db)
    db.let_pass(31)  # by now the first one could be tried
    again = chat.claim()
    assert not again["fresh"]
    assert (again["turn"]["fallback"], again["turn"]["choices"]) == (1, [1, 2, 0])
    assert again["turn"]["run_key"] == claim["turn"]["run_key"]


@pytest.mark.parametrize(("patch", "choice"), [({"choose": True}, 1), ({}, 0)])
def test_the_next_agent_begins_with_what_is_not_open(db: Database, patch: dict[str, Any], choice: int) -> None:
    """Where its holder asks for it: one of the release before begins with the row, not with what is on record."""
    chat, claim = begun(db, handoffs=["writer"])
    agent(chat, "writer")
    fail(db, times=2)
    turn = claim["turn"]["turn_id"]
    run = {"run_id": "r", "agent": "worker", "status": "s"}
    chat.advance(claim["epoch"], turn, "running", json.dumps({"run": run}))
    handoff = {"from": "worker", "to": "writer", "reason": "", "task": "", "said": ""}
    moved = chat.advance(claim["epoch"], turn, "starting", json.dumps({"handoff": handoff, "next_run": ""} | patch))
    assert (moved["turn"]["agent"], moved["turn"]["fallback"]) == ("writer", choice)


def test_the_next_agent_of_a_turn_that_has_lost_a_create_begins_with_its_row(db: Database) -> None:
    chat, claim = begun(db, handoffs=["writer"])
    agent(chat, "writer")
    fail(db, times=2)
    turn = claim["turn"]["turn_id"]
    chat.advance(claim["epoch"], turn, "starting", json.dumps({"count_failure": True}))
    handoff = {"from": "worker", "to": "writer", "reason": "", "task": "", "said": ""}
    moved = chat.advance(claim["epoch"], turn, "starting", json.dumps({"handoff": handoff, "choose": True}))
    assert moved["turn"]["fallback"] == 0


def test_the_next_agent_begins_there_as_well_where_its_order_is_the_same(db: Database) -> None:
    fail(db, times=2)
    chat, claim = begun(db, handoffs=["writer"])
    agent(chat, "writer")
    handoff = {"from": "worker", "to": "writer", "reason": "", "task": "", "said": ""}
    patch = json.dumps({"handoff": handoff, "choose": True})
    moved = chat.advance(claim["epoch"], claim["turn"]["turn_id"], "starting", patch)["turn"]
    assert (claim["turn"]["choices"], moved["choices"], moved["fallback"]) == ([1, 2, 0], [1, 2, 0], 1)


def test_an_order_of_choices_ends_with_its_agent(db: Database) -> None:
    fail(db, times=2)
    chat, claim = begun(db, handoffs=["writer"])
    agent(chat, "writer", fallbacks=[])
    handoff = {"from": "worker", "to": "writer", "reason": "", "task": "", "said": ""}
    patch = json.dumps({"handoff": handoff, "choose": True})
    moved = chat.advance(claim["epoch"], claim["turn"]["turn_id"], "starting", patch)
    assert (moved["turn"]["fallback"], moved["turn"]["choices"]) == (0, None)


@pytest.mark.parametrize("late", ["the same write once more", "a holder that was overtaken"])
def test_a_failure_counts_once_and_from_its_holder_alone(db: Database, late: str) -> None:
    chat, claim = begun(db)
    op, patch = new_id(), json.dumps({"fallback": 1, "failed_choice": MODEL})
    turn = claim["turn"]["turn_id"]
    if late == "a holder that was overtaken":
        db.let_pass(16)
        chat.claim()
        assert chat.advance(claim["epoch"], turn, "queued", patch)["outcome"] == "fenced"
        assert breakers(db) == []
        return
    for _ in range(2):
        assert chat.advance(claim["epoch"], turn, "queued", patch, op=op)["outcome"] == "ok"
    assert [one["failures"] for one in breakers(db)] == [1]


def test_what_was_long_ago_is_forgotten(db: Database) -> None:
    fail(db, times=2)
    db.let_pass(3601)
    assert begins_with(db) == 0
    assert fail(db) == [None], "it is the first one in a row"
    db.let_pass(3601)
    db.call("chat_tidy_events", slices=1)
    assert breakers(db) == []


def test_operators_see_which_are_open(db: Database) -> None:
    fail(db, WIRE, times=1)
    fail(db, times=2)
    told = db.call("chat_get_statistics", window_seconds=3600, bucket_seconds=300)["breakers"]
    wire, model = told
    assert (wire["model"], wire["failures"], wire["code"], wire["open_ms"]) == (None, 1, "a_key", None)
    assert (model["model"], model["failures"]) == (FIRST, 2)
    assert 29_000 < model["open_ms"] <= 30_000
    db.let_pass(31)
    told = db.call("chat_get_statistics", window_seconds=3600, bucket_seconds=300)["breakers"]
    assert told[1]["open_ms"] == 0


def test_undisturbed_turns_write_nothing_to_it(db: Database) -> None:
    """Nor do those of a model that has no failures, while another one has."""
    fail(db)
    before = db.rows("select xmin::text, ctid::text from public.chat_breakers")
    for _ in range(3):
        chat, claim = begun(db, fallbacks=[{"model": SECOND}])
        assert claim["turn"]["fallback"] == 0
        chat.complete(claim["epoch"], claim["turn"]["turn_id"])
    assert db.rows("select xmin::text, ctid::text from public.chat_breakers") == before


def test_no_claim_waits_for_a_breaker_that_another_transaction_holds(db: Database) -> None:
    fail(db, times=2)
    db.let_pass(30.1)
    with db.session(autocommit=False) as one, db.session() as other:
        _, first = begun(db, one)
        other.connection.execute("set lock_timeout = '1s'")
        _, second = begun(db, other)
        one.connection.commit()
    assert [claim["turn"]["fallback"] for claim in (first, second)] == [0, 1]


def test_forty_at_once_fail_and_succeed_against_one(db: Database) -> None:
    """No deadlock, never more than the two rows there are to be, and one success closes both in the end."""
    fail(db, times=2)
    fail(db, WIRE)

    def work(session: Session, number: int) -> None:
        dice = random.Random(number)
        for _ in range(3):
            chat, claim = begun(db, session)
            choice, troubled = claim["turn"]["fallback"], claim["agent"].get("troubled", {})
            if dice.random() < 0.5:
                to, patch = "queued", {"fallback": 1, "failed_choice": dice.choice([MODEL, WIRE])}
            else:
                known = str(choice) in troubled
                proof = proven(claim, choice, (FIRST, SECOND, THIRD)[choice]) if known else {}
                to, patch = "completed", {"reply": "answer"} | proof
            told = chat.advance(claim["epoch"], claim["turn"]["turn_id"], to, json.dumps(patch), session, lease_ms=0)
            assert (told["outcome"], told["turn"]["status"]) == ("ok", to)

    db.together(40, work)
    assert len(breakers(db)) <= 2
    fail(db, times=2)
    db.let_pass(600.1)
    chat, claim = begun(db)
    assert (claim["turn"]["fallback"], succeed(chat, claim)) == (0, "closed")
    assert (breakers(db), begins_with(db)) == ([], 0)
