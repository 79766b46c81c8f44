"""The lease: one holder at a time, a token that is never given out twice, and the head of the queue with it."""

from __future__ import annotations

from collections import Counter

from tests.db.database import Chat, Session, new_id


def test_twenty_claimants_have_one_winner(chat: Chat) -> None:
    chat.submit(owner=None)
    # one owner: two requests of one instance are two holders as well
    answers = chat.db.together(20, lambda session, _: chat.claim(session))
    assert Counter(answer["outcome"] for answer in answers) == {"claimed": 1, "busy": 19}
    assert [answer["fresh"] for answer in answers if answer["outcome"] == "claimed"] == [True]


def test_submitting_and_claiming_at_once_have_one_winner(chat: Chat) -> None:
    chat.submit(owner=None)

    def work(session: Session, number: int) -> bool:
        if number % 2:
            return "claim" in chat.submit(session)
        return bool(chat.claim(session)["outcome"] == "claimed")

    assert sum(chat.db.together(20, work)) == 1


def test_heads_are_served_in_order(chat: Chat) -> None:
    turns = [chat.submit(owner=None)["turn"]["turn_id"] for _ in range(5)]
    served = []
    while (claim := chat.claim())["outcome"] == "claimed":
        served.append(claim["turn"]["turn_id"])
        chat.complete(claim["epoch"], served[-1], f"answer {len(served)}")
    assert served == turns
    assert claim["outcome"] == "idle"
    expected = [line for n in range(1, 6) for line in (("user", "hello"), ("assistant", f"answer {n}"))]
    assert [(role, text) for _, role, text in chat.lines()] == expected
    assert [seq for seq, _, _ in chat.lines()] == list(range(1, 11))


def test_a_lapsed_lease_goes_to_the_next_with_a_newer_token(chat: Chat) -> None:
    first = chat.submit()["claim"]
    assert chat.claim()["outcome"] == "busy"
    chat.db.let_pass(15)
    second = chat.claim()
    assert second["outcome"] == "claimed"
    assert second["epoch"] > first["epoch"]
    assert second["fresh"] is False, "another claim may have sent it"
    assert second["turn"]["run_key"] == first["turn"]["run_key"]
    assert second["turn"]["starting_ms"] >= 15_000


def test_a_stale_token_writes_nothing(chat: Chat) -> None:
    claim = chat.submit()["claim"]
    stale, turn = claim["epoch"], claim["turn"]["turn_id"]
    chat.db.let_pass(15)
    fresh = chat.claim()
    query = """select to_jsonb(c) as c, to_jsonb(t) as t
               from public.chat_conversations c join public.chat_turns t on t.id = %s where c.id = %s"""
    before = chat.db.rows(query, turn, chat.conversation)
    for to in ("starting", "queued", "running", "requires_action", "completed", "failed", "cancelled", None):
        patch = '{"reply": "x", "error": {}, "forget_thread": true, "conflict": true}'
        assert chat.advance(stale, turn, to, patch)["outcome"] == "fenced", to
    assert chat.fenced("chat_withdraw_turn", turn=turn, epoch=stale)["outcome"] == "fenced"
    call = {"turn": turn, "epoch": stale, "call": "call"}
    assert chat.fenced("chat_begin_tool_call", **call, name="tool", op="op")["outcome"] == "fenced"
    assert chat.fenced("chat_finish_tool_call", **call, output="x")["outcome"] == "fenced"
    chat.fenced("chat_release_lease", epoch=stale)
    assert chat.db.rows(query, turn, chat.conversation) == before
    assert chat.db.rows("select * from public.chat_tool_calls where turn_id = %s", turn) == []
    assert chat.advance(fresh["epoch"], turn, "running")["outcome"] == "ok"


def test_tokens_survive_the_end_of_a_conversation(chat: Chat) -> None:
    """A conversation that was withdrawn with its only turn: the id is free again, the old token is not."""
    first = chat.submit(strategy="reject")
    chat.fenced("chat_withdraw_turn", turn=first["turn"]["turn_id"], epoch=first["claim"]["epoch"])
    second = chat.submit()
    assert second["turn"]["seq"] == 1
    chat.fenced("chat_release_lease", epoch=first["claim"]["epoch"])
    assert chat.claim()["outcome"] == "busy", "a late release by the old token changes nothing"


def test_an_expired_lease_that_was_not_taken_over_still_writes(chat: Chat) -> None:
    claim = chat.submit()["claim"]
    chat.db.let_pass(20)
    assert chat.advance(claim["epoch"], claim["turn"]["turn_id"], "running")["outcome"] == "ok"
    assert chat.claim()["outcome"] == "busy", "and is alive again"


def test_a_released_lease_is_free_at_once_and_not_revived_by_a_late_write(chat: Chat) -> None:
    claim = chat.submit()["claim"]
    turn = claim["turn"]["turn_id"]
    chat.advance(claim["epoch"], turn, "running")
    chat.fenced("chat_release_lease", epoch=claim["epoch"])
    assert chat.get(turn)["claimable"] is True
    assert chat.advance(claim["epoch"], turn, None)["outcome"] == "ok", "a heartbeat that was under way"
    assert chat.get(turn)["claimable"] is True
    assert chat.claim()["outcome"] == "claimed"


def test_a_repeated_claim_is_the_same_claim(chat: Chat) -> None:
    chat.submit(owner=None)
    op = new_id()
    first, again = chat.claim(op=op), chat.claim(op=op)
    assert (again["epoch"], again["fresh"]) == (first["epoch"], True)
    assert again["turn"]["attempt"] == 1
    chat.advance(first["epoch"], first["turn"]["turn_id"], "starting")
    assert chat.claim(op=op)["fresh"] is False, "another intent was committed since"


def test_a_late_copy_of_a_claim_takes_nothing(chat: Chat) -> None:
    turns = [chat.submit(owner=None)["turn"]["turn_id"] for _ in range(2)]
    op = new_id()
    chat.complete(chat.claim(op=op)["epoch"], turns[0])
    assert chat.claim(op=op) == {"outcome": "busy", "retry_ms": 0}
    assert chat.get(turns[1])["turn"]["status"] == "queued"
    assert chat.claim()["turn"]["turn_id"] == turns[1]


def test_a_head_in_backoff_waits(chat: Chat) -> None:
    claim = chat.submit()["claim"]
    turn = claim["turn"]["turn_id"]
    chat.advance(claim["epoch"], turn, "queued", '{"delay_ms": 5000}', lease_ms=0)
    refused = chat.claim()
    assert refused["outcome"] == "backoff"
    assert 4000 < refused["retry_ms"] <= 5000
    assert chat.get(turn)["claimable"] is False
    chat.db.let_pass(5)
    assert chat.get(turn)["claimable"] is True
    claim = chat.claim()
    assert (claim["fresh"], claim["turn"]["run_key"]) == (True, f"{turn}.2")


def test_a_turn_that_is_to_end_is_handed_over_unstarted(chat: Chat) -> None:
    claim = chat.submit()["claim"]
    turn = claim["turn"]["turn_id"]
    chat.db.call("chat_cancel_turn", user=chat.user, turn=turn)
    chat.advance(claim["epoch"], turn, "queued", '{"delay_ms": 600000}', lease_ms=0)
    for claimed in (chat.claim(lease_ms=0), chat.claim()):
        assert (claimed["turn"]["status"], claimed["fresh"]) == ("queued", False)
        assert claimed["turn"]["cancel_requested"] is True
        chat.fenced("chat_release_lease", epoch=claimed["epoch"])

    other = Chat(chat.db)
    other.submit(owner=None, ttl_ms=1000)
    other.db.let_pass(1)
    late = other.claim()
    assert (late["turn"]["status"], late["turn"]["remaining_ms"], late["turn"]["attempt"]) == ("queued", 0, 0)


def test_orphans_are_what_no_instance_serves(chat: Chat) -> None:
    def orphans() -> list[str]:
        rows = chat.db.call("chat_list_orphans", limit=200)["orphans"]
        return [row["conversation_id"] for row in rows if row["user_id"] == chat.user]

    claim = chat.submit()["claim"]
    assert orphans() == []
    chat.db.let_pass(15)
    assert orphans() == [chat.conversation]
    chat.complete(claim["epoch"], claim["turn"]["turn_id"])
    assert orphans() == []
