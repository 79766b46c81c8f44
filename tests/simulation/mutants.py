"""The protocol broken on purpose, one rule at a time. A checker that does not notice is not worth its seeds.

Longer than 250 lines because it is one table of mutants.
"""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import patch

from shared.actions.agent_as_tool import AgentAsTool
from shared.actions.required_actions import ActionResult, NextStep, RequiredActions
from shared.actions.tool_calls import ToolCalls
from shared.core.conflict.protocol import ConflictProtocol
from shared.core.errors import OutcomeUnknown
from shared.core.run_start import RunStart
from shared.core.runs import RunState, RunStatus
from shared.core.turns import ConversationKey, TurnStatus
from shared.held_turn import HeldTurn
from shared.instance.shutdown import Shutdown
from shared.instance.wakeups import LocalWakeups
from shared.ports import TurnUpdate
from shared.runs import follow
from shared.runs.start import RunRequests
from shared.turn import serve
from shared.turn.admission import Admission
from shared.turn.claim import QueueHead
from shared.turn.create import RunCreate
from shared.turn.stop import TurnStop
from shared.turn.wait_in_line import WaitInLine
from tests.simulation.database import Database
from tests.simulation.providers import TIMEOUT_SECONDS, FakeProvider
from tests.simulation.sweep import Sweeping, no_sweep, sweep

Change = Callable[[Database], AbstractContextManager[None]]


@dataclass(frozen=True, slots=True)
class Mutant:
    name: str
    mode: str  # the one that notices
    changes: tuple[Change, ...]
    sweeping: Sweeping = sweep
    says: str = ""  # the promise it is known to break; empty where that differs from seed to seed
    first_seed: int = 0  # where the search begins: few worlds have what it takes for some

    @contextmanager
    def applied(self, database: Database) -> Iterator[None]:
        with ExitStack() as stack:
            for change in self.changes:
                stack.enter_context(change(database))
            yield


def in_sql(function: str, *swaps: tuple[str, str]) -> Change:
    """The database function with its text changed, as long as the mutant lives."""

    @contextmanager
    def change(database: Database) -> Iterator[None]:
        original = database.definition(function)
        database.execute(_swapped(original, function, swaps))
        try:
            yield
        finally:
            database.execute(original)

    return change


def in_python(owner: Any, method: str, *swaps: tuple[str, str]) -> Change:
    """The method compiled anew from its changed source, in the module it comes from."""

    @contextmanager
    def change(_: Database) -> Iterator[None]:
        original = getattr(owner, method)
        source = _swapped(textwrap.dedent(inspect.getsource(original)), method, swaps)
        made: dict[str, Any] = {}
        exec(compile(f"from __future__ import annotations\n{source}", method, "exec"), original.__globals__, made)
        with patch.object(owner, method, made[method]):
            yield

    return change


def instead(owner: Any, method: str, stand_in: Any) -> Change:
    return lambda _: _patched(owner, method, stand_in)


def without(undo: str, redo: str) -> Change:
    @contextmanager
    def change(database: Database) -> Iterator[None]:
        database.execute(undo)
        try:
            yield
        finally:
            database.clear()
            database.execute(redo)

    return change


@contextmanager
def _patched(owner: Any, method: str, stand_in: Any) -> Iterator[None]:
    with patch.object(owner, method, stand_in):
        yield


def _swapped(text: str, where: str, swaps: tuple[tuple[str, str], ...]) -> str:
    for old, new in swaps:
        assert text.count(old) == 1, f"{where} has {old!r} {text.count(old)} times: the mutant has to follow the code"
        text = text.replace(old, new)
    return text


_start_run = FakeProvider.start_run


async def _start_run_twice(self: FakeProvider, start: RunStart, *, stream: bool = False) -> RunState:
    """As a client library does that retries by itself."""
    try:
        return await _start_run(self, start)
    except OutcomeUnknown:
        return await _start_run(self, start)


async def _unsecured(self: HeldTurn) -> None:
    return None


async def _nothing_given(self: WaitInLine) -> None:
    return None


def _unheard(self: LocalWakeups, conversation: ConversationKey) -> None:
    return None


async def _submitted_blindly(self: RequiredActions, hold: HeldTurn, provider: Any, run: RunState, outputs: Any) -> Any:
    """Moves the turn on as if the run had taken its outputs."""
    await hold.advance(TurnUpdate(to=TurnStatus.RUNNING))
    return ActionResult(NextStep.FOLLOW, run=replace(run, status=RunStatus.IN_PROGRESS))


async def _never(self: RunRequests, *_: Any) -> bool:
    return False


async def _nothing(self: AgentAsTool, *_: Any) -> None:
    return None


LOST_ANSWER = "one lost answer"  # crashes.py: every single database call in turn
DEATH = "one death in a chain"  # crashes.py: a team, at every boundary, or at those whose name begins so
FENCED = ("if c.lease_epoch <> p_epoch then", "if false then")

_KEPT_IN_DOUBT = in_python(HeldTurn, "_last_update", ("if self._thread_in_doubt", "if False"))

MUTANTS = (
    Mutant("a stream that gives out is taken for an answer", "streams", (
        in_python(follow, "hear", ("        return None\n\n    try:",
                                   "        return RunState(run_id, RunStatus.COMPLETED)\n\n    try:")),
    ), says="G8"),
    Mutant("every end that a stream tells is believed", "streams", (
        in_python(serve, "follow", (" and heard.status in BELIEVED", "")),
    ), says="G", first_seed=4),
    Mutant("a run found cancelled is taken for the turn's end", "streams", (
        in_python(serve, "follow", ("await hold.advance(TurnUpdate())\n                hold.check()", "pass")),
    ), says="G8"),
    Mutant("no reconcile", "ambiguous", (
        in_python(ConflictProtocol, "_doubt", ("return state._go(Phase.FINDING, commands.FindRun())",
                                       "return replace(state, doubt_since=None)._start(since)")),
    ), says="G4"),
    Mutant("falls back after a create of which nothing is certain", "fallbacks", (
        in_python(RunCreate, "_sent", (
            "return events.StartUnknown(self._at_work_seconds(unknown) - (clock.now() - sent_at))",
            "return events.StartRefused(ErrorCode.PROVIDER_REFUSED)")),
    ), says="G4"),
    Mutant("a thread whose contents are refused is kept", "definite", (
        instead(RunRequests, "may_start_afresh", _never),
    ), says="context_too_long"),
    Mutant("a lost intent is taken for none", "crash", (
        in_python(QueueHead, "take_up", ("unsent = claim.fresh or", "unsent = True or")),
    ), says="G4"),
    Mutant("no settle wait", "late", (
        in_python(ConflictProtocol, "_not_found", ("now < self.doubt_since + self.rules.settle_seconds", "False")),
    ), says="G4", first_seed=22),
    Mutant("blind retry of a create", "ambiguous", (instead(FakeProvider, "start_run", _start_run_twice),), says="G4"),
    Mutant("a shutdown lets nothing go", "shutdown", (instead(Shutdown, "begin", lambda self, seconds: None),),
           says="requests off"),
    Mutant("no fencing check", "zombie", (in_sql("public.chat_advance_turn", FENCED),), says="overtaken"),
    Mutant("lease ignored", "clean", (
        in_sql("chat_internal.lease_free", (
            "return c.lease_owner is null or c.lease_until <= p_now or c.claim_op is not distinct from p_op",
            "return true")),
        in_sql("chat_internal.claimable", ("and (c.lease_owner is null or c.lease_until <= p_now)", "")),
    ), first_seed=11),
    Mutant("no head-of-line order", "clean", (
        in_sql("chat_internal.head", ("t.place, t.seq limit", "t.place desc, t.seq desc limit")),
    ), says="G2"),
    Mutant("a final row can be rewritten", "zombie", (
        in_sql("public.chat_advance_turn", FENCED,
               ("if t.finished_at is not null then\n    unwritten := 'final';\n  elsif", "if")),
        in_sql("chat_internal.may_move", ("else false end", "else true end")),
        without("alter table public.chat_turns disable trigger guard_turn",
                "alter table public.chat_turns enable trigger guard_turn"),
    )),
    Mutant("keys are not looked up", "crash", (
        in_sql("public.chat_submit_turn", ("p_key is not null and idempotency_key = p_key and p_names is null",
                                      "false")),
        without("drop index public.chat_turns_one_per_key",
                "create unique index chat_turns_one_per_key on public.chat_turns (user_id, idempotency_key) "
                "where idempotency_key is not null"),
    ), says="G4"),
    Mutant("a repeated claim is not recognised", LOST_ANSWER, (
        in_sql("chat_internal.lease_free", (" or c.claim_op is not distinct from p_op", "")),
    )),
    Mutant("a repeated acceptance is a stranger's", LOST_ANSWER, (
        in_sql("chat_internal.known_turn", ("if t.id <> p_turn then", "if true then")),
    )),
    Mutant("a turn is read without its user", "clean", (
        in_sql("public.chat_get_turn", ("where id = p_turn and user_id = p_user", "where id = p_turn")),
    ), says="G7"),
    Mutant("lost creates are not counted", "dark", (
        in_python(ConflictProtocol, "_not_found", ("if self.failures >= self.rules.max_failures:", "if False:")),
    ), says="G13"),
    Mutant("nothing sweeps", "crash", (), sweeping=no_sweep, says="G1"),
    Mutant("numbers are not given out under the lock", "clean", (
        in_sql("public.chat_submit_turn", ("next_seq = next_seq + 1,",
                                      "next_seq = next_seq + (pg_catalog.random() < 0.9)::int,")),
    )),
    Mutant("no intent before a create", "definite", (
        in_python(RunCreate, "_sent", ("if not hold.fresh:", "if False:")),
    )),
    Mutant("a cancel is not noticed", "clean", (
        in_python(HeldTurn, "check", ("status.final or told or self", "status.final or self")),
    ), says="G11"),
    Mutant("patience begins anew with every holder", "clean", (
        in_python(TurnStop, "_patience", (" - turn.cancelling_ms / 1000", "")),
    ), says="G11"),
    Mutant("a thread that may hold a message twice is kept", "repeated", (_KEPT_IN_DOUBT,), says="G2", first_seed=72),
    # these two alone cost a thread, and break nothing
    Mutant("no look back after a repeat, in a thread that is kept", "late", (
        in_python(ConflictProtocol, "_look_back", ("if self._over(now):", "if True:")), _KEPT_IN_DOUBT,
    ), says="holds the messages", first_seed=125),
    Mutant("an open repeat is not ended by the next holder, in a thread that is kept", "repeated", (
        in_python(Admission, "_open_repeat", ("return RunState(newest.run_id, newest.status)", "return None")),
        _KEPT_IN_DOUBT,
    ), says="G", first_seed=34),
    Mutant("a create in the foreground is taken for a short one", "late", (
        instead(FakeProvider, "create_seconds", TIMEOUT_SECONDS),
    ), says="G2", first_seed=10),
    Mutant("a turn under way is displaced without its holder", "late", (
        in_sql("chat_internal.displace_head", ("if h.status = 'queued' then", "if true then")),
    ), says="G2", first_seed=7),
    Mutant("a displaced head is not marked", "clean", (
        in_sql("chat_internal.displace_head", ("superseded_by = p_by.id, superseded_how = p_by.strategy,", "")),
    ), says="G11"),
    Mutant("one that displaces waits behind the others", "database", (
        in_sql("chat_internal.place_for", ("chat_internal.place_behind(h, c.next_seq)", "c.next_seq")),
    ), says="G2", first_seed=4),
    Mutant("a rollback keeps the line", "clean", (
        in_sql("chat_internal.close_turn", ("t.superseded_how = 'rollback' or (", "(")),
    ), says="its lines are"),
    Mutant("a rollback leaves the thread as it is", "clean", (
        in_python(TurnStop, "stop", ("or hold.turn.superseded_how is Displacement.ROLLBACK", "")),
    ), says="was rolled back or replaced and stands in"),
    Mutant("what was interrupted is not put back", "definite", (
        in_python(RunRequests, "run_start", ("displaced=hold.displaced if keeps and not told else ()", "displaced=()")),
    ), says="was answered without", first_seed=16),
    Mutant("a replaced message stays in the thread", "replaced", (
        in_sql("chat_internal.displace_from",
               ("thread_id = case when not begun then n.thread_id end", "thread_id = n.thread_id"),
               ("thread_provider = case when not begun then n.thread_provider end",
                "thread_provider = n.thread_provider")),
    ), says="of what was displaced"),
    Mutant("a replaced message stays in the transcript", "replaced", (
        in_sql("chat_internal.displace_from", ("delete from public.chat_messages where turn_id = any (ids);", "")),
    ), says="its lines are"),
    Mutant("lines take the numbers of those that were replaced", "replaced", (
        in_sql("chat_internal.displace_from", (
            "active_agent = p_agent,",
            "active_agent = p_agent, next_message_seq = 1 + coalesce((select max(m.seq) from public.chat_messages m"
            " where m.user_id = n.user_id and m.conversation_id = n.id), 0),")),
    ), says="has a number of one out of view"),
    Mutant("a turn under way goes on though it was replaced", "replaced", (
        in_sql("chat_internal.displace_from", ("where x.finished_at is null and x.joined_to is null",
                                               "where x.status = 'queued' and x.joined_to is null")),
    ), says="G1"),
    Mutant("a steered message is not told", "steering", (
        in_python(RunRequests, "run_start", ("for one in turn.steered if one.after >= heard", "for one in ()")),
    ), says="had not read it"),
    Mutant("a steered message is told with every later run", "steering", (
        in_python(RunRequests, "run_start",
                  ("after=one.after - heard) for one in turn.steered if one.after >= heard",
                   "after=max(one.after - heard, 0)) for one in turn.steered")),
    ), says="times"),
    Mutant("a message is steered into every attempt", "steering", (
        in_sql("public.chat_advance_turn", ("if patch ? 'next_run' then", "if true then"),
               ("patch ->> 'next_run', patch ? 'handoff'", "coalesce(patch ->> 'next_run', ''), patch ? 'handoff'")),
    ), says="G", first_seed=5),
    Mutant("no message is steered", "steering", (
        in_sql("public.chat_advance_turn", ("if patch ? 'next_run' then", "if false then")),
    ), says="was not told"),
    Mutant("a message is steered into a turn that is to end", "steering", (
        in_sql("chat_internal.take_steering", ("if t.cancel_requested then", "if false then")),
        # a holder that notices takes no further step, but for a moment
        in_python(HeldTurn, "check", ("status.final or told or self", "status.final or self")),
    ), says="though it was to end"),
    Mutant("a message is steered though it was cancelled", "steering", (
        in_sql("chat_internal.take_steering", ("and w.finished_at is null", "")),
    ), says="refused"),
    Mutant("what is steered is sent by itself as well", "steering", (
        in_sql("chat_internal.take_steering", ("joined_to = t.id, agent = t.agent,", "agent = t.agent,"),
               ("steered_step = jsonb_array_length(t.steps), steered_runs = jsonb_array_length(t.runs),", ""),
               ("steered_handoffs = jsonb_array_length(t.handoffs) - p_handed_over::int, updated_at", "updated_at")),
    )),
    Mutant("a steered message is edited after it was told", "steering", (
        in_sql("public.chat_edit_turn", (" or t.joined_to is not null", "")),
    ), says="had not read it", first_seed=19),
    Mutant("what stands before a step that has ended is put back", "steering", (
        in_sql("chat_internal.displaced", ("where step.ordinality > coalesce(t.steered_step, 0)", "where false")),
    ), says="holds the messages", first_seed=17),
    Mutant("what was put back once is put back again", "pushing", (
        in_sql("chat_internal.displaced", ("and not chat_internal.was_put_back(c, t)", "")),
    ), says="holds the messages", first_seed=22),
    Mutant("what was put back before a rollback stays", "pushing", (
        in_python(TurnStop, "_erased", ("hold.displaced if rolled_back else ()", "()")),
    ), says="holds the messages", first_seed=2),
    Mutant("a steered message is cancelled after it was told", "steering", (
        in_sql("public.chat_cancel_turn", ("if t.steered_step is not null and t.finished_at is null then",
                                           "if false then")),
    ), says="what it was steered into", first_seed=6),
    Mutant("a steered message has no line", "steering", (
        in_sql("chat_internal.take_steering", ("perform chat_internal.add_line(m, 'user', null, m.text, p_now);", "")),
    ), says="its lines are"),
    Mutant("a conversation is found by its id alone", "clean", (
        in_sql("chat_internal.find_conversation", ("where user_id = p_user and id = p_conversation for update",
                                                   "where id = p_conversation order by user_id limit 1 for update")),
    ), says="G"),
    Mutant("messages are joined after the first attempt", "clean", (
        in_sql("chat_internal.join_waiting", ("or t.attempt > 1", "")),
    ), says="G1", first_seed=30),
    Mutant("joined messages are sent one by one as well", "clean", (
        in_sql("chat_internal.close_joined", ("if t.status = 'cancelled' and t.superseded_by is null then",
                                              "if true then")),
    ), says="G1"),
    Mutant("joined messages are left behind", "clean", (
        in_sql("chat_internal.close_joined", ("if t.status = 'cancelled' and t.superseded_by is null then",
                                              "if t.status <> 'failed' then return; end if; if true then")),
    ), says="G1"),
)  # fmt: skip

TEAM_MUTANTS = (
    Mutant("the ledger is ignored", f"{DEATH}, at sim_send", (
        in_python(ToolCalls, "_run", ("if ticket.output is not None:", "if False:"),
                  ('ticket.outcome == "in_doubt" and not tool.idempotent', "False")),
        in_python(ToolCalls, "perform", ("(*planned.answers, *step.outputs)", "planned.answers")),
    ), says="G10"),
    Mutant("a call in doubt is run again", f"{DEATH}, at sim_send", (
        in_python(ToolCalls, "_run", ('ticket.outcome == "in_doubt" and not tool.idempotent', "False")),
    ), says="G10"),
    Mutant("a begun call is not on record", f"{DEATH}, at sim_send", (
        in_sql("public.chat_begin_tool_call", ("k.op = p_op", "true")),
    ), says="G10"),
    Mutant("a call in doubt is said to have been done", f"{DEATH}, at sim_send", (
        in_python(ToolCalls, "_run", ('output = tool_messages.OUTCOME_UNKNOWN', 'output = "done"')),
    ), says="G10"),
    Mutant("no step is recorded before acting", f"{DEATH}, at submit", (
        in_python(
            RequiredActions, "_record", ("to=TurnStatus.REQUIRES_ACTION,", "to=None,"), ("step=step,", "step=None,")
        ),
    )),
    Mutant("a handoff is not recorded", DEATH, (
        in_python(RequiredActions, "_move_on", ("handoff=made, said=said)", "said=said)")),
    ), says="handed over"),
    Mutant("control moves when the next agent's run is known, not before", DEATH, (
        in_sql("chat_internal.move_turn", ("agent = coalesce(p_patch -> 'handoff' ->> 'to', agent),", "")),
    )),
    Mutant("the next agent starts before the run has ended", DEATH, (
        in_python(RequiredActions, "_submit", ("return ActionResult(NextStep.FOLLOW, run=state)",
                                      "return await self.after_run(hold, state) if hold.has_handed_over(provider) "
                                      "else ActionResult(NextStep.FOLLOW, run=state)")),
    ), says="ran into"),
    Mutant("outputs are not submitted", DEATH, (instead(RequiredActions, "_submit", _submitted_blindly),)),
    # an undisturbed turn gets them from the ledger, one by one, as the provider misses them
    Mutant("outputs do not travel", f"{DEATH}, at start_run", (
        in_python(RunRequests, "run_start", ("outputs, steps = (*outputs, *last.outputs), ()", "steps = ()")),
    )),
    Mutant("scratch threads are on no record", DEATH, (
        instead(AgentAsTool, "_keep", _nothing),
    ), says="still there"),
    Mutant("an asked agent's lost run is not looked for", f"{DEATH}, at start_run", (
        instead(AgentAsTool, "_found", _nothing),
    ), says="G10"),
    Mutant("the runs of asked agents are on no record", DEATH, (
        instead(AgentAsTool, "_note", _nothing),
    ), says="as asked"),
    Mutant("what needs a person's word is done without it", "waiting", (
        in_python(RequiredActions, "act",
                  ("if call.call_id in step.approved", "if call.name in ('sim_note', 'sim_send')")),
    ), says="without its user's word"),
    Mutant("an MCP server is called without the user's word", "waiting", (
        in_python(ToolCalls, "perform", ("allowed_by(call, step.approved)", "None if call.server is None else True")),
    ), says="G10"),
    Mutant("what was given at once is told to be unknown", "clean", (
        in_sql("public.chat_get_tool_output", ("coalesce(k.output, o.output)\n    from", "k.output\n    from"),
               ("and coalesce(k.output, o.output) is not null", "and k.output is not null")),
    ), says="was made, and was told to be unknown"),
    Mutant("what a server gave is on no record", "waiting", (
        in_python(HeldTurn, "record_of", ("server_outputs=run.server_outputs", "server_outputs=()")),
    ), says="of its servers"),
    Mutant("a call takes one answer after the other", "waiting", (
        in_sql("public.chat_answer_call",
               ("t.status <> 'waiting' or k.status <> 'waiting' or t.cancel_requested", "false")),
    ), says="what a person has said"),
    Mutant("what a person answers is not what is told", "waiting", (
        in_sql("public.chat_answer_call",
               ("coalesce(p_output, chat_internal", "coalesce('or not: ' || p_output, chat_internal")),
    ), says="was answered"),
    Mutant("a person is waited for for ever", "waiting", (
        in_sql("chat_internal.claimable", ("t.waiting_until <= p_now or ", "")),
        in_sql("chat_internal.expire_calls", ("t.waiting_until > p_now or ", "")),
    ), says="G1"),
    Mutant("what stands before the last item known is not rolled back", "clean", (
        in_python(TurnStop, "_erased", ("steps=hold.steps", "steps=()")),
    ), says="rolled back", first_seed=35),
)  # fmt: skip

HARMLESS = (
    # turns have ids of their own, and a claim names its conversation whichever request it comes to: of two users'
    # conversations with one id a process mixes up wake-ups and places in line, and nothing else
    Mutant(
        "a process knows a conversation by its id alone",
        "clean",
        (
            instead(ConversationKey, "__eq__", lambda one, other: one.conversation_id == other.conversation_id),
            instead(ConversationKey, "__hash__", lambda one: hash(one.conversation_id)),
        ),
    ),
    # a hint: without them everything takes longer and nothing breaks
    Mutant("wake-ups are lost", "storm", (instead(LocalWakeups, "notify", _unheard),)),
    # a head that waits and is marked is ended by its next holder, if not at once
    Mutant(
        "a queued head is not ended when it is displaced",
        "storm",
        (in_sql("chat_internal.displace_head", ("if h.status = 'queued' then", "if false then")),),
    ),
    # the adapters put back only what does not stand in the thread
    Mutant(
        "what was interrupted is told for ever",
        "storm",
        (
            in_sql(
                "chat_internal.displaced",
                ("coalesce(greatest(c.answered_at, c.seeded_at), '-infinity')", "'-infinity'"),
            ),
        ),
    ),
    # a belt beside braces: every call before a create has a deadline shorter than the lease, and the wait for the
    # create itself heartbeats; it guards against a process that hangs between the two without being in any call
    Mutant(
        "a claim that no request takes is not given back", "storm", (instead(WaitInLine, "give_back", _nothing_given),)
    ),
    Mutant("no look at the lease before a create", "zombie", (instead(HeldTurn, "secure", _unsecured),)),
)
