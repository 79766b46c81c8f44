"""The protocol as rows: what was heard when, and the one thing to do about it.

Longer than 250 lines because the table of cases and the grid of all states and events are one argument each.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.core.conflict.commands import (
    Admit,
    CancelRun,
    CheckActiveRun,
    ClaimTurn,
    Command,
    Detach,
    EndRepeat,
    FindRun,
    LookBack,
    Refuse,
    RotateThread,
    Sleep,
    StartRun,
)
from shared.core.conflict.events import (
    ActiveRunStatus,
    CancelAccepted,
    CancelRefused,
    Event,
    Intent,
    LookFailed,
    Queued,
    RepeatEnded,
    RunFound,
    RunNotFound,
    StartAccepted,
    StartConflicted,
    StartDeferred,
    StartRefused,
    StartUnknown,
    Submitted,
    ThreadRotated,
    TurnCame,
    TurnEnded,
    TurnWaits,
    Woke,
)
from shared.core.conflict.protocol import SETTLED, ConflictProtocol, Phase, Rules, UnexpectedEvent
from shared.core.error_codes import ErrorCode
from shared.core.pace import Pace
from shared.core.turns import MultitaskStrategy

RULES = Rules(
    strategy=MultitaskStrategy.ENQUEUE,
    deadline=150.0,
    pace=Pace(0.25, 2.0),
    settle_seconds=13.0,
    start_margin_seconds=2.0,
    max_failures=4,
    cancel_wait_seconds=15.0,
)
INTERRUPT = replace(RULES, strategy=MultitaskStrategy.INTERRUPT)
REJECT = replace(RULES, strategy=MultitaskStrategy.REJECT)
MINE = TurnCame(Intent.NONE)

Row = tuple[float, Event, Command]

ACTIVE = ["queued", "in_progress", "requires_action", "cancelling", "a_status_of_tomorrow"]
TERMINAL = ["completed", "failed", "cancelled", "incomplete", "expired"]


def play(rows: list[Row], rules: Rules = RULES) -> ConflictProtocol:
    state = ConflictProtocol(rules)
    for at, event, expected in rows:
        state, command = state.fold(event, at)
        assert command == expected, f"at {at} after {event}"
    return state


STORIES: dict[str, tuple[Rules, list[Row]]] = {
    "undisturbed": (RULES, [(0, MINE, StartRun()), (1, StartAccepted(), Admit())]),
    "waits behind others, then starts": (
        RULES,
        [
            (0, Submitted(), ClaimTurn()),
            (0, Queued(2), Sleep(0.25)),
            (0.25, Woke(), ClaimTurn()),
            (0.25, Queued(1), Sleep(0.25 + 0.4)),
            (0.3, Woke(), ClaimTurn()),
            (0.3, MINE, StartRun()),
        ],
    ),
    "the next in line looks often, the others at a growing pace": (
        RULES,
        [
            (0, Submitted(), ClaimTurn()),
            (0, Queued(3), Sleep(0.25)),
            (1, Woke(), ClaimTurn()),
            (1, Queued(3), Sleep(1.4)),
            (2, Woke(), ClaimTurn()),
            (2, Queued(2), Sleep(2.64)),
            (3, Woke(), ClaimTurn()),
            (3, Queued(1), Sleep(3.5)),
            (4, Woke(), ClaimTurn()),
            (4, Queued(0), Sleep(4.5)),
        ],
    ),
    "nothing more is asked of the provider once the request waits no longer": (
        RULES,
        [(147, MINE, StartRun()), (155, StartConflicted("run_a"), Detach())],
    ),
    "another instance brought it to its end": (
        RULES,
        [(0, Submitted(), ClaimTurn()), (0, TurnEnded(), Detach())],
    ),
    "it waits for a person, and nothing is done for it": (
        RULES,
        [(0, Submitted(), ClaimTurn()), (0, TurnWaits(), Detach())],
    ),
    "conflict, followed at a growing pace, then started": (
        RULES,
        [
            (0, MINE, StartRun()),
            (1, StartConflicted("run_a"), CheckActiveRun("run_a")),
            (1, ActiveRunStatus("in_progress"), Sleep(1.25)),
            (1.25, Woke(), CheckActiveRun("run_a")),
            (1.25, ActiveRunStatus("in_progress"), Sleep(1.65)),
            (1.65, Woke(), CheckActiveRun("run_a")),
            (1.65, ActiveRunStatus("completed"), StartRun()),
            (1.7, StartAccepted(), Admit()),
        ],
    ),
    "the provider's hint decides the pause": (
        RULES,
        [
            (0, MINE, StartRun()),
            (0, StartConflicted("r"), CheckActiveRun("r")),
            (0, ActiveRunStatus("queued", poll_after_seconds=5), Sleep(5)),
        ],
    ),
    "one run after the other in our way": (
        RULES,
        [
            (0, MINE, StartRun()),
            (0, StartConflicted("a"), CheckActiveRun("a")),
            (0, ActiveRunStatus("cancelled"), StartRun()),
            (0, StartConflicted("b"), CheckActiveRun("b")),
            (0, ActiveRunStatus("expired"), StartRun()),
            (0, StartAccepted(), Admit()),
        ],
    ),
    "a lock that outlives its run is not hammered": (
        RULES,
        [
            (0, MINE, StartRun()),
            (0, StartConflicted("a"), CheckActiveRun("a")),
            (0, ActiveRunStatus("completed"), StartRun()),
            (0, StartConflicted("a"), CheckActiveRun("a")),
            (0, ActiveRunStatus("completed"), Sleep(0.25)),
            (0.25, Woke(), StartRun()),
            (0.25, StartConflicted("a"), CheckActiveRun("a")),
            (0.25, ActiveRunStatus("completed"), Sleep(0.65)),
        ],
    ),
    "a lock without an id": (
        RULES,
        [
            (0, MINE, StartRun()),
            (0, StartConflicted(None), CheckActiveRun(None)),
            (0, ActiveRunStatus(None), Sleep(0.25)),
            (0.25, Woke(), StartRun()),
            (0.25, StartConflicted(None), CheckActiveRun(None)),
            (0.25, ActiveRunStatus(None), Sleep(0.65)),
        ],
    ),
    "the active run is found out": (
        RULES,
        [
            (0, MINE, StartRun()),
            (0, StartConflicted(None), CheckActiveRun(None)),
            (0, ActiveRunStatus("in_progress", run_id="found"), Sleep(0.25)),
            (0.25, Woke(), CheckActiveRun("found")),
            (0.25, ActiveRunStatus("completed", run_id="found"), StartRun()),
        ],
    ),
    "a look at the active run fails": (
        RULES,
        [
            (0, MINE, StartRun()),
            (0, StartConflicted("a"), CheckActiveRun("a")),
            (0, LookFailed(), Sleep(0.25)),
            (0.25, Woke(), CheckActiveRun("a")),
        ],
    ),
    "reject at the provider": (
        REJECT,
        [(0, MINE, StartRun()), (0, StartConflicted("a"), Refuse(ErrorCode.RUN_IN_PROGRESS))],
    ),
    "reject in our queue": (
        REJECT,
        [(0, Submitted(), ClaimTurn()), (0, Queued(1), Refuse(ErrorCode.RUN_IN_PROGRESS))],
    ),
    "a replay of a rejecting turn that is being served waits for it": (
        REJECT,
        [(0, Submitted(), ClaimTurn()), (0, Queued(0), Sleep(0.25))],
    ),
    "interrupt ends the run in the way": (
        INTERRUPT,
        [
            (0, MINE, StartRun()),
            (0, StartConflicted("a"), CheckActiveRun("a")),
            (0, ActiveRunStatus("in_progress"), CancelRun("a")),
            (0, CancelAccepted(), Sleep(0.25)),
            (0.25, Woke(), CheckActiveRun("a")),
            (0.25, ActiveRunStatus("cancelling"), Sleep(0.65)),
            (0.65, Woke(), CheckActiveRun("a")),
            (0.65, ActiveRunStatus("cancelled"), StartRun()),
            (0.7, StartAccepted(), Admit()),
        ],
    ),
    "a cancel refused because the run has just ended is good news": (
        INTERRUPT,
        [
            (0, MINE, StartRun()),
            (0, StartConflicted("a"), CheckActiveRun("a")),
            (0, ActiveRunStatus("in_progress"), CancelRun("a")),
            (0, CancelRefused(), CheckActiveRun("a")),
            (0, ActiveRunStatus("completed"), StartRun()),
        ],
    ),
    "a run that cannot be cancelled is waited for": (
        INTERRUPT,
        [
            (0, MINE, StartRun()),
            (0, StartConflicted("a"), CheckActiveRun("a")),
            (0, ActiveRunStatus("in_progress"), CancelRun("a")),
            (0, CancelRefused(never=True), Sleep(0.25)),
            (0.25, Woke(), CheckActiveRun("a")),
            (60, ActiveRunStatus("in_progress"), Sleep(60.4)),
            (60.4, Woke(), CheckActiveRun("a")),
            (60.4, ActiveRunStatus("completed"), StartRun()),
        ],
    ),
    "a run that ignores its cancel loses its thread": (
        INTERRUPT,
        [
            (0, MINE, StartRun()),
            (0, StartConflicted("a"), CheckActiveRun("a")),
            (0, ActiveRunStatus("in_progress"), CancelRun("a")),
            (0, CancelAccepted(), Sleep(0.25)),
            (0.25, Woke(), CheckActiveRun("a")),
            (14.9, ActiveRunStatus("cancelling"), Sleep(14.9 + 0.4)),
            (15.3, Woke(), CheckActiveRun("a")),
            (15.3, ActiveRunStatus("cancelling"), RotateThread()),
            (15.4, ThreadRotated(), StartRun()),
            (15.5, StartAccepted(), Admit()),
        ],
    ),
    "a lock whose run cannot be named loses its thread as well": (
        INTERRUPT,
        [
            (0, MINE, StartRun()),
            (0, StartConflicted(None), CheckActiveRun(None)),
            (0, ActiveRunStatus(None), Sleep(0.25)),
            (14.9, Woke(), StartRun()),
            (14.9, StartConflicted(None), CheckActiveRun(None)),
            (15.0, ActiveRunStatus(None), RotateThread()),
            (15.1, ThreadRotated(), StartRun()),
        ],
    ),
    "a cancel that did not arrive is asked for again": (
        INTERRUPT,
        [
            (0, MINE, StartRun()),
            (0, StartConflicted("a"), CheckActiveRun("a")),
            (0, ActiveRunStatus("in_progress"), CancelRun("a")),
            (0, LookFailed(), Sleep(0.25)),
            (0.25, Woke(), CheckActiveRun("a")),
            (0.25, ActiveRunStatus("in_progress"), CancelRun("a")),
        ],
    ),
    "a second foreign run has its own patience": (
        INTERRUPT,
        [
            (0, MINE, StartRun()),
            (0, StartConflicted("a"), CheckActiveRun("a")),
            (14, ActiveRunStatus("completed"), StartRun()),
            (14, StartConflicted("b"), CheckActiveRun("b")),
            (16, ActiveRunStatus("in_progress"), CancelRun("b")),
        ],
    ),
    "what may be our own lost attempt is not cancelled": (
        INTERRUPT,
        [
            (0, TurnCame(Intent.NONE, failures=1), FindRun()),
            (0, RunNotFound(), StartRun()),
            (0, StartConflicted("a"), CheckActiveRun("a")),
            (0, ActiveRunStatus("in_progress"), Sleep(0.25)),
        ],
    ),
    "a run of an earlier turn that no instance follows is ended, under every strategy": (
        RULES,
        [
            (0, MINE, StartRun()),
            (0, StartConflicted("a"), CheckActiveRun("a")),
            (0, ActiveRunStatus("requires_action", "a", orphan=True), CancelRun("a")),
            (0, CancelAccepted(), Sleep(0.25)),
            (0.25, Woke(), CheckActiveRun("a")),
            (15, ActiveRunStatus("cancelling", "a", orphan=True), RotateThread()),
            (15, ThreadRotated(), StartRun()),
        ],
    ),
    "what is in the way may be our own": (
        RULES,
        [(0, MINE, StartRun()), (0, StartConflicted("a"), CheckActiveRun("a")), (0, RunFound(), Admit())],
    ),
    "rate limited": (
        RULES,
        [
            (0, MINE, StartRun()),
            (0, StartDeferred(20), Sleep(20)),
            (20, Woke(), StartRun()),
        ],
    ),
    "deferred without a time is not hammered": (
        RULES,
        [(0, MINE, StartRun()), (0, StartDeferred(0), Sleep(0.25)), (0.25, Woke(), StartRun())],
    ),
    "a definite no": (
        RULES,
        [(0, MINE, StartRun()), (0, StartRefused(ErrorCode.PROVIDER_AUTH), Refuse(ErrorCode.PROVIDER_AUTH))],
    ),
    "a refusal after a lost create may be because of that one": (
        RULES,
        [
            (0, TurnCame(Intent.UNKNOWN, still_seconds=-600), FindRun()),
            (0, RunNotFound(), StartRun(repeats_lost=True)),
            (1, StartRefused(ErrorCode.PROVIDER_REFUSED), FindRun()),
            (1, RunFound(), Admit()),
        ],
    ),
    "a refusal after a lost create of which nothing is to be seen": (
        RULES,
        [
            (0, TurnCame(Intent.UNKNOWN, still_seconds=-600), FindRun()),
            (0, RunNotFound(), StartRun(repeats_lost=True)),
            (1, StartRefused(ErrorCode.PROVIDER_REFUSED), FindRun()),
            (1, LookFailed(), Sleep(1.25)),
            (1.25, Woke(), FindRun()),
            (1.3, RunNotFound(), Refuse(ErrorCode.PROVIDER_REFUSED)),
        ],
    ),
    "a lost create is looked for until it can no longer arrive": (
        RULES,
        [
            (0, MINE, StartRun()),
            (8, StartUnknown(), FindRun()),
            (8, RunNotFound(), Sleep(8.25)),
            (8.25, Woke(), FindRun()),
            (20.9, RunNotFound(), Sleep(20.9 + 0.4)),
            (21.3, Woke(), FindRun()),
            (21.3, RunNotFound(), StartRun(repeats_lost=True)),
            (21.4, StartAccepted(), LookBack()),
            (21.5, RunNotFound(), Admit()),
        ],
    ),
    "a lost create is looked for again after every pause": (
        RULES,
        [
            (0, TurnCame(Intent.UNKNOWN, still_seconds=-600), FindRun()),
            (0, RunNotFound(), StartRun(repeats_lost=True)),
            (0, StartDeferred(3), Sleep(3)),
            (3, Woke(), FindRun()),
            (3, RunNotFound(), StartRun()),
        ],
    ),
    "a lost create is found": (
        RULES,
        [(0, MINE, StartRun()), (8, StartUnknown(), FindRun()), (8, RunFound(), Admit())],
    ),
    "a failing look proves nothing": (
        RULES,
        [
            (0, MINE, StartRun()),
            (8, StartUnknown(), FindRun()),
            (30, LookFailed(), Sleep(30.25)),
            (30.25, Woke(), FindRun()),
        ],
    ),
    "what blocks after a lost create may be our own run": (
        RULES,
        [
            (0, MINE, StartRun()),
            (8, StartUnknown(), FindRun()),
            (21, RunNotFound(), StartRun(repeats_lost=True)),
            (21, StartConflicted(None), CheckActiveRun(None)),
            (21, ActiveRunStatus(None), Sleep(21.25)),
            (21.25, Woke(), FindRun()),
            (21.25, RunNotFound(), StartRun()),
            (21.25, StartConflicted(None), CheckActiveRun(None)),
            (21.25, ActiveRunStatus(None), Sleep(21.25 + 0.4)),
            (21.65, Woke(), FindRun()),
            (21.65, RunFound(), Admit()),
        ],
    ),
    "an inherited intent is looked for first": (
        RULES,
        [
            (100, TurnCame(Intent.UNKNOWN, still_seconds=-5), FindRun()),
            (100, RunNotFound(), Sleep(100.25)),
            (100.25, Woke(), FindRun()),
            (108, RunNotFound(), StartRun(repeats_lost=True)),
        ],
    ),
    "an old inherited intent needs no waiting": (
        RULES,
        [
            (100, TurnCame(Intent.UNKNOWN, still_seconds=-600), FindRun()),
            (100, RunNotFound(), StartRun(repeats_lost=True)),
        ],
    ),
    "a create that may last is not repeated before it can have ended": (
        RULES,
        [
            (0, TurnCame(Intent.UNKNOWN, still_seconds=120), FindRun()),
            (132.9, RunNotFound(), Sleep(133.15)),
            (133.15, Woke(), FindRun()),
            (133.15, RunNotFound(), StartRun(repeats_lost=True)),
        ],
    ),
    "neither is one of our own that was cut off": (
        RULES,
        [
            (0, MINE, StartRun()),
            (10, StartUnknown(still_seconds=100), FindRun()),
            (122.9, RunNotFound(), Sleep(123.15)),
            (123.15, Woke(), FindRun()),
            (123.15, RunNotFound(), StartRun(repeats_lost=True)),
        ],
    ),
    "after a repeat one more look: the lost attempt has not been answered": (
        RULES,
        [
            (100, TurnCame(Intent.UNKNOWN, still_seconds=-600), FindRun()),
            (100, RunNotFound(), StartRun(repeats_lost=True)),
            (101, StartAccepted(), LookBack()),
            (101, RunNotFound(), Admit()),
        ],
    ),
    "after a repeat one more look: the lost attempt was answered in between": (
        RULES,
        [
            (100, TurnCame(Intent.UNKNOWN, still_seconds=-600), FindRun()),
            (100, RunNotFound(), StartRun(repeats_lost=True)),
            (101, StartAccepted(), LookBack()),
            (101, RunFound(), EndRepeat()),
            (103, RepeatEnded(), Admit()),
        ],
    ),
    "a look back that fails is repeated, but not for ever": (
        RULES,
        [
            (0, TurnCame(Intent.NONE, failures=1), FindRun()),
            (0, RunNotFound(), StartRun()),
            (1, StartAccepted(), LookBack()),
            (1, LookFailed(), Sleep(1.25)),
            (1.25, Woke(), LookBack()),
            (1.25, LookFailed(), Sleep(1.65)),
            (1.65, Woke(), LookBack()),
            (1.65, LookFailed(), Admit()),
        ],
    ),
    "a repeat accepted behind the deadline is followed by the next holder": (
        RULES,
        [
            (147, TurnCame(Intent.UNKNOWN, still_seconds=-600), FindRun()),
            (147, RunNotFound(), StartRun(repeats_lost=True)),
            (151, StartAccepted(), Admit()),
        ],
    ),
    "a repeat that was inherited is looked behind as well": (
        RULES,
        [
            (0, TurnCame(Intent.STARTED, failures=1), LookBack()),
            (0, RunFound(), EndRepeat()),
            (3, RepeatEnded(), Admit()),
        ],
    ),
    "so is one that was found behind two lost attempts": (
        RULES,
        [
            (0, TurnCame(Intent.UNKNOWN, failures=1), FindRun()),
            (0, RunFound(), LookBack()),
            (0, RunNotFound(), Admit()),
        ],
    ),
    "a repeat that an earlier holder was ending is ended": (
        RULES,
        [
            (0, TurnCame(Intent.UNKNOWN, failures=1), FindRun()),
            (0, RunFound(repeated=True), EndRepeat()),
            (3, RepeatEnded(), Admit()),
        ],
    ),
    "what may be its own lost run is not left behind, however long it takes": (
        INTERRUPT,
        [
            (0, MINE, StartRun()),
            (0, StartConflicted(None), CheckActiveRun(None)),
            (0, ActiveRunStatus(None), Sleep(0.25)),
            (0.25, Woke(), StartRun()),
            (1, StartUnknown(), FindRun()),
            (14, RunNotFound(), StartRun(repeats_lost=True)),
            (14, StartConflicted(None), CheckActiveRun(None)),
            (40, ActiveRunStatus(None), Sleep(40.25)),
            (40.25, Woke(), FindRun()),
            (40.25, RunFound(), Admit()),
        ],
    ),
    "an inherited run is followed": (RULES, [(0, TurnCame(Intent.STARTED), Admit())]),
    "after earlier losses the first thing is a look": (
        RULES,
        [
            (0, TurnCame(Intent.NONE, failures=2), FindRun()),
            (0, RunNotFound(), StartRun()),
            (0, StartUnknown(), FindRun()),
            (20, RunNotFound(), StartRun(repeats_lost=True)),
            (20, StartUnknown(), FindRun()),
            (40, RunNotFound(), Refuse(ErrorCode.PROVIDER_UNAVAILABLE)),
        ],
    ),
    "the budget ends in our queue": (
        RULES,
        [
            (0, Submitted(), ClaimTurn()),
            (149.9, Queued(1), Sleep(150)),
            (150, Woke(), Detach()),
        ],
    ),
    "the budget ends behind a foreign run": (
        RULES,
        [
            (0, MINE, StartRun()),
            (0, StartConflicted("a"), CheckActiveRun("a")),
            (149.9, ActiveRunStatus("in_progress"), Sleep(150)),
            (150, Woke(), Detach()),
        ],
    ),
    "nothing is started that could not be awaited": (
        RULES,
        [
            (0, MINE, StartRun()),
            (0, StartConflicted("a"), CheckActiveRun("a")),
            (148.5, ActiveRunStatus("completed"), Detach()),
        ],
    ),
}


@pytest.mark.parametrize("name", STORIES)
def test_story(name: str) -> None:
    rules, rows = STORIES[name]
    play(rows, rules)


@pytest.mark.parametrize("status", ACTIVE)
def test_an_active_run_is_waited_for_and_an_unknown_status_is_active(status: str) -> None:
    play(
        [
            (0, MINE, StartRun()),
            (0, StartConflicted("a"), CheckActiveRun("a")),
            (0, ActiveRunStatus(status), Sleep(0.25)),
        ]
    )


@pytest.mark.parametrize("status", TERMINAL)
def test_a_terminal_run_frees_the_thread(status: str) -> None:
    play(
        [
            (0, MINE, StartRun()),
            (0, StartConflicted("a"), CheckActiveRun("a")),
            (0, ActiveRunStatus(status), StartRun()),
        ]
    )


EVENTS: list[Event] = [
    Submitted(),
    Queued(1),
    MINE,
    TurnEnded(),
    TurnWaits(),
    StartAccepted(),
    StartConflicted("a"),
    ActiveRunStatus("in_progress"),
    CancelAccepted(),
    CancelRefused(),
    ThreadRotated(),
    StartDeferred(1),
    StartRefused(ErrorCode.PROVIDER_REFUSED),
    StartUnknown(),
    RunFound(),
    RepeatEnded(),
    RunNotFound(),
    LookFailed(),
    Woke(),
]

LEGAL: dict[Phase, set[type]] = {
    Phase.NEW: {Submitted, TurnCame},
    Phase.CLAIMING: {Queued, TurnCame, TurnEnded, TurnWaits},
    Phase.QUEUED: {Woke},
    Phase.STARTING: {StartAccepted, StartConflicted, StartDeferred, StartRefused, StartUnknown},
    Phase.FOLLOWING: {ActiveRunStatus, RunFound, LookFailed},
    Phase.CANCELLING: {CancelAccepted, CancelRefused, LookFailed},
    Phase.ROTATING: {ThreadRotated},
    Phase.FINDING: {RunFound, RunNotFound, LookFailed},
    Phase.LOOKING_BACK: {RunFound, RunNotFound, LookFailed},
    Phase.ENDING_REPEAT: {RepeatEnded},
    Phase.PAUSED: {Woke},
    Phase.ENDED: set(),
}


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_grid(phase: Phase, event: Event) -> None:
    state = ConflictProtocol(RULES, phase=phase)
    if type(event) in LEGAL[phase]:
        after, command = state.fold(event, 0.0)
        assert (after.phase is Phase.ENDED) == isinstance(command, Admit | Refuse | Detach)
    else:
        with pytest.raises(UnexpectedEvent):
            state.fold(event, 0.0)


def test_the_grid_knows_every_event() -> None:
    assert {type(event) for event in EVENTS} == set(Event.__args__)


ANSWERS: dict[type, list[Event]] = {
    ClaimTurn: [
        Queued(0),
        Queued(3),
        MINE,
        TurnCame(Intent.UNKNOWN, -3),
        TurnCame(Intent.UNKNOWN, 30),
        TurnCame(Intent.NONE, failures=1),
        TurnCame(Intent.STARTED, failures=1),
        TurnEnded(),
        TurnWaits(),
    ],
    StartRun: [
        StartAccepted(),
        StartConflicted("a"),
        StartConflicted("b"),
        StartConflicted(None),
        StartDeferred(0),
        StartDeferred(30),
        StartUnknown(),
        StartUnknown(30),
        StartRefused(ErrorCode.PROVIDER_AUTH),
    ],
    CheckActiveRun: [*(ActiveRunStatus(status) for status in (*ACTIVE, *TERMINAL, None)), LookFailed()],
    CancelRun: [CancelAccepted(), CancelRefused(), CancelRefused(never=True), LookFailed()],
    RotateThread: [ThreadRotated()],
    FindRun: [RunFound(), RunFound(repeated=True), RunNotFound(), LookFailed()],
    LookBack: [RunFound(), RunNotFound(), LookFailed()],
    EndRepeat: [RepeatEnded()],
    Sleep: [Woke()],
}


@settings(deadline=None)  # a way may have hundreds of steps, which a busy machine draws slowly
@given(st.data(), st.sampled_from(list(MultitaskStrategy)))
def test_every_way_through_ends_in_time_and_keeps_the_rules(data: st.DataObject, strategy: MultitaskStrategy) -> None:
    rules = replace(RULES, strategy=strategy)
    now, looked_at = 0.0, SETTLED
    unknown_since: float | None = None
    state, command = ConflictProtocol(rules).fold(Submitted(), now)
    for _ in range(3000):
        if isinstance(command, Admit | Refuse | Detach):
            break
        if isinstance(command, Sleep):
            assert now <= command.until <= rules.deadline
            now = command.until
        else:
            now += data.draw(st.sampled_from([0.0, 0.01, 0.5, 8.0]))
        event = data.draw(st.sampled_from(ANSWERS[type(command)]))
        if isinstance(command, FindRun) and isinstance(event, RunNotFound):
            looked_at = now
        if isinstance(event, TurnCame) and event.intent is Intent.UNKNOWN:
            unknown_since = now + event.still_seconds
        if isinstance(event, StartUnknown):
            unknown_since = now + event.still_seconds
        asked = now
        state, command = state.fold(event, now)
        if isinstance(command, StartRun):
            assert asked < rules.deadline - rules.start_margin_seconds
            if unknown_since is not None:
                assert looked_at >= unknown_since + rules.settle_seconds, "a create was repeated blindly"
    else:
        pytest.fail("the protocol never came to an end")
    assert now <= rules.deadline + 8.0
    assert state.phase is Phase.ENDED


@given(st.integers(min_value=0, max_value=10_000))
def test_the_pause_never_overflows_and_never_exceeds_its_maximum(pauses: int) -> None:
    state = ConflictProtocol(RULES, phase=Phase.FOLLOWING, active_run="a", pauses=pauses)
    _, command = state.fold(ActiveRunStatus("in_progress"), 10.0)
    assert isinstance(command, Sleep)
    assert 10.25 <= command.until <= 12.0
