"""What every Store does, as tests: a subclass brings the fixture `store`. Users are new in every test."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any

import pytest

from shared.core.error_codes import ErrorCode
from shared.core.errors import ChatError, Conflict, Fenced, InvalidRequest, NotFound, TooMany
from shared.core.model import Scope, ScopeKind
from shared.core.runs import Thread, Usage
from shared.core.turns import Claim, MultitaskStrategy, RunRecord, Turn, TurnStatus
from shared.ports import SCHEMA_VERSION, Busy, Lease, Lessee, QueueLimits, Store, Submission, ToolTicket, TurnUpdate

LESSEE = Lessee("owner", 15.0)
ODD_TEXTS = (
    "Robert'); drop table turns; --",
    '{"json": "\\u0041 \\" \\\\"}',
    "\u202eright to left\u202c 👩‍👩‍👧 e\u0301 \u00e9 \u3000",
    "tab\tand\nnew line   and trailing   ",
    "<script>alert(1)</script> %s %(x)s ${x} $1 \\",
)


def new_id() -> str:
    return str(uuid.uuid4())


def message(**changes: Any) -> Submission:
    given = Submission(
        user_id=new_id(),
        turn_id=new_id(),
        conversation_id=new_id(),
        new_conversation_id=new_id(),
        scope=None,
        text="hello",
        agent=None,
        strategy=MultitaskStrategy.ENQUEUE,
        metadata={},
        idempotency_key=None,
        request_hash="0" * 64,
        ttl_seconds=900,
        limits=QueueLimits(open_per_conversation=8, open_per_user=8, per_minute=30),
    )
    return replace(given, **changes)


def another(given: Submission, **changes: Any) -> Submission:
    """The same user's next message in the same conversation."""
    return replace(given, **({"turn_id": new_id()} | changes))


async def begin(store: Store, given: Submission | None = None) -> tuple[Claim, Lease]:
    claim = (await store.submit_turn(given or message(), LESSEE)).claim
    assert claim is not None
    return claim, Lease(claim.turn.user_id, claim.turn.conversation_id, claim.epoch)


async def finish(store: Store, lease: Lease, turn: Turn, reply: str = "answer") -> Turn:
    return await store.advance_turn(lease, turn.turn_id, TurnUpdate(to=TurnStatus.COMPLETED, reply=reply), 0)


class StoreContract:
    async def test_three_calls_answer_a_message(self, store: Store) -> None:
        given = message(metadata={"page": "7"}, scope=Scope(ScopeKind.TOPIC, "invoices"), conversation_id=None)
        submitted = await store.submit_turn(given, LESSEE)
        claim = submitted.claim
        assert claim is not None
        assert (submitted.replayed, claim.fresh, claim.thread, claim.message_count) == (False, True, None, 0)
        turn = claim.turn
        assert (turn.turn_id, turn.conversation_id) == (given.turn_id, given.new_conversation_id)
        assert (turn.status, turn.seq, turn.attempt, turn.position) == (TurnStatus.STARTING, 1, 1, 0)
        assert (turn.text, turn.metadata, turn.agent) == ("hello", {"page": "7"}, claim.agent.slug)
        assert turn.run_key is not None
        assert claim.agent.model
        lease = Lease(given.user_id, turn.conversation_id, claim.epoch)
        run = RunRecord("run_1", claim.agent.slug, "in_progress")
        thread = Thread("responses", "conv_1", "item_1")
        running = await store.advance_turn(
            lease, turn.turn_id, TurnUpdate(to=TurnStatus.RUNNING, run=run, thread=thread, usage=Usage(1, 2)), 15
        )
        assert (running.status, running.run_id, running.runs) == (TurnStatus.RUNNING, "run_1", (run,))
        done = await store.advance_turn(
            lease,
            turn.turn_id,
            TurnUpdate(to=TurnStatus.COMPLETED, run=replace(run, status="completed"), reply="hi", usage=Usage(10, 20)),
            0,
        )
        assert (done.status, done.reply, done.usage) == (TurnStatus.COMPLETED, "hi", Usage(11, 22))
        assert done.runs == (RunRecord("run_1", claim.agent.slug, "completed"),)
        assert done.finished_at is not None
        peek = await store.get_turn(given.user_id, turn.turn_id)
        assert (peek.turn.reply, peek.claimable) == ("hi", False)
        following, _ = await begin(store, another(given))
        assert (following.thread, following.last_run_id, following.message_count) == (thread, "run_1", 2)

    async def test_a_known_key_is_a_replay_or_a_mistake(self, store: Store) -> None:
        given = message(idempotency_key="key")
        first = await store.submit_turn(given, LESSEE)
        closed = QueueLimits(open_per_conversation=0, open_per_user=0, per_minute=1)
        again = await store.submit_turn(another(given, limits=closed), LESSEE)
        assert (again.replayed, again.claim, again.turn.turn_id) == (True, None, first.turn.turn_id)
        with pytest.raises(InvalidRequest) as caught:
            await store.submit_turn(another(given, request_hash="1" * 64), LESSEE)
        assert caught.value.code == "idempotency_key_reused"

    @pytest.mark.parametrize(
        ("changes", "error", "code"),
        [
            ({"strategy": MultitaskStrategy.REJECT}, Conflict, "run_in_progress"),
            ({"agent": "nobody"}, InvalidRequest, "unknown_agent"),
            ({"limits": QueueLimits(1, 8, 30)}, TooMany, "queue_full"),
            ({"limits": QueueLimits(8, 1, 30)}, TooMany, "too_many_open"),
            ({"limits": QueueLimits(8, 8, 1)}, TooMany, "rate_limited"),
        ],
    )
    async def test_refusals(self, store: Store, changes: dict[str, Any], error: type[ChatError], code: str) -> None:
        given = message()
        await store.submit_turn(given, None)
        with pytest.raises(error) as caught:
            await store.submit_turn(another(given, **changes), LESSEE)
        assert caught.value.code == code
        assert (caught.value.retry_after is not None) == (error is TooMany)

    async def test_one_holder_at_a_time(self, store: Store) -> None:
        given = message()
        accepted = await store.submit_turn(given, None)
        assert (accepted.turn.status, accepted.claim) == (TurnStatus.QUEUED, None)
        assert (await store.get_turn(given.user_id, given.turn_id)).claimable
        claim = await store.claim_turn(given.user_id, accepted.turn.conversation_id, LESSEE)
        assert isinstance(claim, Claim)
        assert claim.fresh
        busy = await store.claim_turn(given.user_id, accepted.turn.conversation_id, LESSEE)
        assert isinstance(busy, Busy)
        lease = Lease(given.user_id, accepted.turn.conversation_id, claim.epoch)
        await store.release(lease)
        taken = await store.claim_turn(given.user_id, accepted.turn.conversation_id, LESSEE)
        assert isinstance(taken, Claim)
        assert taken.epoch > claim.epoch
        assert not taken.fresh
        turn = given.turn_id
        for late in (
            store.advance_turn(lease, turn, TurnUpdate(), 15),
            store.advance_turn(lease, turn, TurnUpdate(to=TurnStatus.CANCELLED), 15),
            store.withdraw_turn(lease, turn),
            store.begin_tool_call(lease, turn, "call", "tool", new_id()),
            store.finish_tool_call(lease, turn, "call", "output"),
        ):
            with pytest.raises(Fenced):
                await late
        await store.release(lease)
        assert isinstance(await store.claim_turn(given.user_id, accepted.turn.conversation_id, LESSEE), Busy)
        await finish(store, replace(lease, epoch=taken.epoch), taken.turn)
        idle = await store.claim_turn(given.user_id, accepted.turn.conversation_id, LESSEE)
        assert isinstance(idle, Busy)

    async def test_a_deferred_head_is_not_claimed_early(self, store: Store) -> None:
        claim, lease = await begin(store)
        await store.advance_turn(lease, claim.turn.turn_id, TurnUpdate(to=TurnStatus.QUEUED, delay_seconds=60), 0)
        assert not (await store.get_turn(lease.user_id, claim.turn.turn_id)).claimable
        later = await store.claim_turn(lease.user_id, lease.conversation_id, LESSEE)
        assert isinstance(later, Busy)

    async def test_a_final_turn_is_told_and_kept(self, store: Store) -> None:
        claim, lease = await begin(store)
        await finish(store, lease, claim.turn)
        late = TurnUpdate(to=TurnStatus.FAILED, error={"code": "x"})
        kept = await store.advance_turn(lease, claim.turn.turn_id, late, 0)
        assert (kept.status, kept.error) == (TurnStatus.COMPLETED, None)

    async def test_a_step_that_the_status_does_not_allow(self, store: Store) -> None:
        claim, lease = await begin(store)
        await store.advance_turn(lease, claim.turn.turn_id, TurnUpdate(to=TurnStatus.QUEUED), 15)
        with pytest.raises(Fenced):
            await store.advance_turn(lease, claim.turn.turn_id, TurnUpdate(to=TurnStatus.RUNNING), 15)

    async def test_counts_and_rotation(self, store: Store) -> None:
        claim, lease = await begin(store)
        turn = claim.turn.turn_id
        await store.advance_turn(lease, turn, TurnUpdate(thread=Thread("assistants", "thread_1")), 15)
        await store.advance_turn(lease, turn, TurnUpdate(to=TurnStatus.QUEUED, conflict=True), 15)
        lost = await store.advance_turn(lease, turn, TurnUpdate(to=TurnStatus.STARTING, count_failure=True), 15)
        assert (lost.attempt, lost.conflicts, lost.failures) == (2, 1, 1)
        assert lost.run_key != claim.turn.run_key
        await store.advance_turn(lease, turn, TurnUpdate(forget_thread=True), 0)
        again = await store.claim_turn(lease.user_id, lease.conversation_id, LESSEE)
        assert isinstance(again, Claim)
        assert (again.thread, again.turn.status) == (None, TurnStatus.STARTING)

    async def test_a_withdrawn_turn_leaves_nothing(self, store: Store) -> None:
        given = message(idempotency_key="key")
        claim, lease = await begin(store, given)
        await store.withdraw_turn(lease, claim.turn.turn_id)
        with pytest.raises(NotFound):
            await store.get_turn(given.user_id, given.turn_id)
        with pytest.raises(NotFound):
            await store.get_conversation(given.user_id, lease.conversation_id)
        assert not (await store.submit_turn(another(given), LESSEE)).replayed

    async def test_a_tool_call_runs_once(self, store: Store) -> None:
        claim, lease = await begin(store)
        turn = claim.turn.turn_id
        assert await store.begin_tool_call(lease, turn, "call", "tool", "op 1") == ToolTicket("run")
        assert await store.begin_tool_call(lease, turn, "call", "tool", "op 2") == ToolTicket("in_doubt")
        assert await store.finish_tool_call(lease, turn, "call", "output") == "output"
        assert await store.begin_tool_call(lease, turn, "call", "tool", "op 3") == ToolTicket("done", "output")

    async def test_cancelling(self, store: Store) -> None:
        given = message()
        claim, lease = await begin(store, given)
        waiting = (await store.submit_turn(another(given), LESSEE)).turn
        assert waiting.position == 1
        assert (await store.cancel_turn(given.user_id, waiting.turn_id)).turn.status is TurnStatus.CANCELLED
        asked = (await store.cancel_turn(given.user_id, given.turn_id)).turn
        assert (asked.status, asked.cancel_requested) == (TurnStatus.STARTING, True)
        assert (await store.advance_turn(lease, given.turn_id, TurnUpdate(), 15)).cancel_requested
        await finish(store, lease, claim.turn)
        assert (await store.cancel_turn(given.user_id, given.turn_id)).turn.status is TurnStatus.COMPLETED

    async def test_editing(self, store: Store) -> None:
        given = message()
        claim, lease = await begin(store, given)
        waiting = (await store.submit_turn(another(given), LESSEE)).turn
        assert (await store.edit_turn(given.user_id, waiting.turn_id, "changed")).text == "changed"
        with pytest.raises(Conflict) as caught:
            await store.edit_turn(given.user_id, given.turn_id, "too late")
        assert caught.value.code == "already_started"
        await finish(store, lease, claim.turn)
        following = await store.claim_turn(given.user_id, lease.conversation_id, LESSEE)
        assert isinstance(following, Claim)
        assert following.turn.text == "changed"

    async def test_reading(self, store: Store) -> None:
        given = message(scope=Scope(ScopeKind.SESSION, "tab"), conversation_id=None)
        claim, lease = await begin(store, given)
        waiting = (await store.submit_turn(another(given), LESSEE)).turn
        busy = await store.get_conversation(given.user_id, lease.conversation_id)
        assert (busy.status, busy.turns, busy.scope) == ("busy", 2, given.scope)
        assert [turn.turn_id for turn in busy.open_turns] == [given.turn_id, waiting.turn_id]
        await finish(store, lease, claim.turn)
        await store.cancel_turn(given.user_id, waiting.turn_id)
        listed = await store.list_conversations(given.user_id, 10, None)
        assert [(one.conversation_id, one.status) for one in listed] == [(lease.conversation_id, "idle")]
        assert await store.list_conversations(given.user_id, 10, lease.conversation_id) == ()
        lines = await store.list_messages(given.user_id, lease.conversation_id, after_seq=0, limit=10)
        assert [(line.seq, line.role, line.text) for line in lines] == [
            (1, "user", "hello"),
            (2, "assistant", "answer"),
        ]
        assert lines[1].agent == claim.agent.slug
        newest = await store.list_messages(given.user_id, lease.conversation_id, after_seq=0, limit=1, newest=True)
        assert newest == lines[1:]
        kept = await store.get_conversation(given.user_id, lease.conversation_id)
        assert (kept.stats["turns"], kept.stats["messages"], kept.preview, kept.unread) == (2, 2, "answer", 1)
        before = await store.list_messages(
            given.user_id, lease.conversation_id, after_seq=0, limit=1, newest=True, before_seq=2
        )
        assert before == lines[:1]

    async def test_a_conversation_is_changed_and_found(self, store: Store) -> None:
        given = message(text="Tell me of owls\nand of more")
        claim, lease = await begin(store, given)
        await finish(store, lease, claim.turn)
        user, conversation = given.user_id, lease.conversation_id
        assert (await store.get_conversation(user, conversation)).title == "Tell me of owls"
        changed = await store.change_conversation(user, conversation, {"title": "Barn", "read_seq": 2})
        assert (changed.title, changed.read_seq, changed.unread) == ("Barn", 2, 0)
        for words in ("barn", "owls", "and ow", "answer"):
            (found,) = await store.list_conversations(user, 10, None, q=words)
            assert (found.conversation_id, found.status) == (conversation, "idle")
        assert await store.list_conversations(user, 10, None, q="mice") == ()
        await store.change_conversation(user, conversation, {"archived": True})
        assert await store.list_conversations(user, 10, None) == ()
        (archived,) = await store.list_conversations(user, 10, None, archived=True)
        assert archived.archived
        with pytest.raises(Conflict) as refused:
            await store.submit_turn(message(user_id=user, conversation_id=conversation), LESSEE)
        assert refused.value.code == ErrorCode.CONVERSATION_ARCHIVED
        with pytest.raises(NotFound):
            await store.change_conversation(new_id(), conversation, {"title": "x"})

    async def test_the_agents(self, store: Store) -> None:
        agents = await store.list_agents(new_id())
        assert agents[0].slug == "orchestrator"
        assert all(agent.agent_id and agent.model and agent.instructions for agent in agents)
        with pytest.raises(NotFound):
            await store.remember_assistant(new_id(), "asst_1")

    async def test_others_find_nothing(self, store: Store) -> None:
        claim, lease = await begin(store)
        turn, conversation, stranger = claim.turn.turn_id, lease.conversation_id, new_id()
        for asked in (
            store.get_turn(stranger, turn),
            store.cancel_turn(stranger, turn),
            store.edit_turn(stranger, turn, "x"),
            store.claim_turn(stranger, conversation, LESSEE),
            store.get_conversation(stranger, conversation),
            store.list_messages(stranger, conversation, after_seq=0, limit=10),
        ):
            with pytest.raises(NotFound):
                await asked
        assert await store.list_conversations(stranger, 10, None) == ()
        with pytest.raises(Fenced):
            await store.advance_turn(replace(lease, user_id=stranger), turn, TurnUpdate(to=TurnStatus.CANCELLED), 0)
        own = message(user_id=stranger, conversation_id=conversation)
        assert (await store.submit_turn(own, LESSEE)).turn.seq == 1

    @pytest.mark.parametrize("text", ODD_TEXTS)
    async def test_text_is_kept_as_it_is(self, store: Store, text: str) -> None:
        given = message(text=text, metadata={text: text}, scope=Scope(ScopeKind.TOPIC, text), conversation_id=None)
        claim, lease = await begin(store, given)
        assert (claim.turn.text, claim.turn.metadata) == (text, {text: text})
        assert (await finish(store, lease, claim.turn, text)).reply == text
        assert (await store.get_conversation(given.user_id, lease.conversation_id)).scope == given.scope

    async def test_what_a_model_may_send(self, store: Store) -> None:
        claim, lease = await begin(store)
        deep: list[Any] = []
        for _ in range(7000):
            deep = [deep]
        turn = claim.turn.turn_id
        await store.begin_tool_call(lease, turn, "call\x00", "tool\ud800", new_id())
        assert await store.finish_tool_call(lease, turn, "call\x00", "\x00 out \udfff") == "\ufffd out \ufffd"
        error = {"code": "run_failed", "message": "a\x00b \ud800", "details": [float("inf"), deep]}
        failed = await store.advance_turn(lease, turn, TurnUpdate(to=TurnStatus.FAILED, error=error), 0)
        assert failed.error is not None
        assert failed.error["message"] == "a\ufffdb \ufffd"
        assert failed.error["details"][0] is None

    async def test_ping(self, store: Store) -> None:
        assert await store.ping()

    async def test_the_schema_is_the_one_that_the_code_was_written_for(self, store: Store) -> None:
        assert await store.schema_version() == SCHEMA_VERSION
