"""A turn under a lease, as its holder knows it: agent, thread, steps, and what its writes change of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from shared.core.breaker import FailedChoice, ProvenChoice
from shared.core.chat_events import EventName
from shared.core.error_codes import ErrorCode
from shared.core.model import Agent
from shared.core.runs import RunState, Step, Thread, ToolOutput
from shared.core.turns import Claim, RunRecord, Turn, TurnStatus
from shared.instance.instance import Instance
from shared.ports import Provider, TurnUpdate
from shared.turn_lease import TurnLease


@dataclass(frozen=True, slots=True)
class AskedRun:
    """A run under way of an agent that was asked as a tool."""

    provider: Provider
    thread: Thread
    record: RunRecord


class HeldTurn(TurnLease):
    """What there is to know for the work on a turn, beside the right to do it.

    Its attributes are for others to read: only its own methods change them.
    """

    def __init__(self, instance: Instance, claim: Claim) -> None:
        super().__init__(instance, claim)
        self._row = claim.agent  # of the agent at work
        self.agent: Agent = claim.agent.fallen_back(claim.turn.fallback)
        self.thread: Thread | None = claim.thread
        self.came_with_thread = claim.thread is not None  # which may hold more than this turn's message
        self.last_run_id = claim.last_run_id
        self.message_count = claim.message_count
        self.thread_lines = claim.thread_lines
        self.displaced = claim.displaced
        self.steps = claim.steps
        self.rotations = 0  # threads that the provider made this holder give up
        self.given_up_for: ErrorCode | None = None  # why this holder gave the thread up for what stands in it
        self.contents_refused = False  # the last create was refused for what it may have held
        self.repeated_calls = 0  # calls that a run has shown once more after it was given their outputs
        self._thread_in_doubt = claim.turn.failures > 0
        self.failed_choice: FailedChoice | None = None  # the present one, which its breaker is still to count
        self._asked: dict[str, AskedRun] = {}  # by what the ledger knows the question by
        self._heard: tuple[str | None, str] = (None, "")  # a run, and what it has said as far as its stream told

    def record_of(self, run: RunState, status: str | None = None, text: str | None = None) -> RunRecord:
        """A run of the agent at work, as the turn's record shows it; `status`: where it is not the run's own."""
        agent = self.agent
        return RunRecord(
            run.run_id,
            agent.slug,
            status or run.status,
            text,
            version=agent.version,
            model=agent.model,
            sources=run.sources,
            server_outputs=run.server_outputs,
            fallback=agent.fallback or None,
            images=run.kept_images,
        )

    def thread_or_new(self, provider: Provider) -> Thread:
        """The turn's thread, or one of this provider that is still to be made."""
        return self.thread or Thread(provider.name)

    def thread_after(self, run: RunState) -> Thread | None:
        """The thread with this run's end as the last that is known of it."""
        if self.thread is None or run.cursor is None:
            return None
        return replace(self.thread, cursor=run.cursor)

    def has_handed_over(self, provider: Provider) -> bool:
        """Whether the run under way has handed over, on a wire where it goes on after that: its end is awaited."""
        if not self.steps or provider.outputs_start_run:
            return False
        return self.steps[-1].handoff is not None and self.steps[-1].run_id == self.turn.run_id

    def note_heard(self, run_id: str, text: str) -> None:
        """What a run has said so far: a cancel clears it on some servers."""
        self._heard = (run_id, text)

    def heard_of(self, run_id: str) -> str | None:
        """None where its stream has told nothing."""
        return self._heard[1] if self._heard[0] == run_id else None

    def trust_thread(self) -> None:
        """It was seen that the thread holds the turn's message once, though an attempt of this turn was lost."""
        self._thread_in_doubt = False

    @property
    def has_let_provider_call(self) -> bool:
        """Whether the run under way was brought a word that lets the provider call an MCP server: what it called when
        it fails is unknown, and the same word to another run could have it called twice."""
        return bool(self.steps) and any(given.allowed for given in self.steps[-1].outputs)

    def add_step(self, step: Step) -> None:
        """A run has asked for something; the step is on record."""
        self.steps = (*self.steps, step)

    def give_outputs(self, outputs: tuple[ToolOutput, ...]) -> None:
        """The calls of the last step are done."""
        self.steps = (*self.steps[:-1], replace(self.steps[-1], outputs=outputs))

    def count_repeated_calls(self, calls: int) -> int:
        """All calls that were shown once more until now, these ones included."""
        self.repeated_calls += calls
        return self.repeated_calls

    def hand_over_to(self, agent: Agent, providers: Callable[[str | None], Provider]) -> None:
        """The agent of this row goes to work, with the choice that the record says."""
        self._row, self.agent = agent, agent.fallen_back(self.turn.fallback)
        self.drop_thread(providers(self.agent.provider))

    def next_agents(self) -> Iterator[Agent]:
        """The agent at work as those of its choices that have not been tried, in order."""
        numbers = tuple(range(len(self._row.fallbacks) + 1))
        order = tuple(n for n in self.turn.choices if n in numbers) or numbers
        tried = order.index(self.agent.fallback) if self.agent.fallback in order else -1
        return (self._row.fallen_back(n) for n in order[tried + 1 :])

    def note_failed(self, choice: FailedChoice) -> None:
        """The present choice has failed, which counts where the agent has others."""
        self.failed_choice = choice if self._row.fallbacks else None

    @property
    def proven_choice(self) -> ProvenChoice | None:
        """The present choice, where its breaker counts failures: it has answered."""
        failed_us = self._row.troubled.get(self.agent.fallback)
        return None if failed_us is None else ProvenChoice(self.agent.provider, self.agent.model, failed_us)

    def fall_back(self, agent: Agent, provider: Provider) -> None:
        """The agent at work goes on as this fallback of its own, on `provider`; the record says so."""
        self.agent = replace(agent, peers=self.agent.peers)
        self.drop_thread(provider)

    def drop_peer(self, slug: str) -> None:
        """The agent at work can no longer turn to this one."""
        self.agent = replace(self.agent, peers=tuple(peer for peer in self.agent.peers if peer.slug != slug))

    def drop_thread(self, provider: Provider) -> None:
        """Forget the thread where it is of another wire than this provider's."""
        if self.thread is not None and self.thread.provider != provider.name:
            self.thread = None

    def add_asked(self, key: str, run: AskedRun) -> None:
        """A run of an asked agent is under way, or the same one has moved on."""
        self._asked[key] = run

    def drop_asked(self, key: str) -> AskedRun | None:
        """The run of this question is over or is being ended; None where none was under way."""
        return self._asked.pop(key, None)

    def drop_all_asked(self) -> tuple[AskedRun, ...]:
        asked, self._asked = tuple(self._asked.values()), {}
        return asked

    # --- fenced writes ----------------------------------------------------------------------------------------------

    def _note_written(self, turn: Turn, update: TurnUpdate) -> None:
        super()._note_written(turn, update)
        self._thread_in_doubt = self._thread_in_doubt or update.count_failure
        failed, agent = update.failed_choice, self.agent
        if turn.breaker is not None and failed is not None:
            self.log(EventName.BREAKER_OPENED, provider=failed.provider, model=failed.model, code=failed.code)
        elif turn.breaker is not None:
            self.log(EventName.BREAKER_CLOSED, provider=agent.provider, model=agent.model)
        if update.failed_choice is not None or update.proven_choice is not None:
            self._forget_trouble()
        if update.forget_thread:
            self.thread, self._thread_in_doubt = None, False
        if update.thread is not None:
            self.thread = update.thread

    def _last_update(self, update: TurnUpdate) -> TurnUpdate:
        """A thread that may hold the turn's message twice is given up. The last choice's failure is counted."""
        if update.to is TurnStatus.FAILED:
            update = replace(update, failed_choice=self.failed_choice)
        return replace(update, thread=None, forget_thread=True) if self._thread_in_doubt else update

    def _forget_trouble(self) -> None:
        """What the claim said of the present choice's breaker is told to it once."""
        self.failed_choice = None
        rest = {choice: at for choice, at in self._row.troubled.items() if choice != self.agent.fallback}
        self._row = replace(self._row, troubled=rest)

    async def rotate_thread(self, update: TurnUpdate) -> None:
        """Give the thread up: the next create makes a new one."""
        self.rotations += 1
        await self.advance(replace(update, forget_thread=True))

    def note_refused_contents(self) -> None:
        """What stands in the thread, or this turn's own message, is refused: no later turn is to go on from there."""
        self.contents_refused = True

    def note_given_up(self, code: ErrorCode) -> None:
        """The thread was given up for what stands in it, which `code` says: not all of it is to be carried along."""
        self.given_up_for = code

    async def seed_thread(self, thread: Thread) -> None:
        """A new thread was made and seeded: put it on record. What was displaced is among the seeds."""
        self.displaced = ()
        if thread.thread_id is not None:
            await self.advance(TurnUpdate(thread=thread))
