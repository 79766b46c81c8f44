"""One wire of a provider, as the core needs it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Protocol

from shared.core.model import Message
from shared.core.run_start import RunStart
from shared.core.runs import RunState, Thread, ToolOutput
from shared.ports.records import RemoteObject


@dataclass(frozen=True, slots=True)
class TextHeard:
    """The next words of a run: `text` stands at `at` in all that it says, counted in characters."""

    at: int
    text: str


class Provider(Protocol):
    """One wire of one OpenAI-compatible server."""

    @property
    def name(self) -> str:
        """`responses` or `assistants`."""
        ...

    @property
    def keeps_threads(self) -> bool:
        """Whether the server keeps the thread. May turn False once a server has shown that it does not."""
        ...

    @property
    def outputs_start_run(self) -> bool:
        """Whether tool outputs start a new run (Responses) or continue the same one (Assistants)."""
        ...

    @property
    def attachable(self) -> bool:
        """Whether another process can listen to a run that was started with `stream`. May turn False, as above."""
        ...

    @property
    def create_seconds(self) -> float:
        """How long after it was sent a create may be at work, unseen and without the server refusing another one."""
        ...

    async def create_thread(self, history: Sequence[Message]) -> Thread:
        """Make a thread, seeded with `history`. A duplicate left behind by a lost answer is empty and harmless."""
        ...

    async def start_run(self, start: RunStart, *, stream: bool = False) -> RunState:
        """Message and run in one create call, sent once, never retried.

        With `stream` the run is to be listened to: the create returns as soon as the run is named. A server that does
        not stream answers as it always does; one that refuses to is asked again without.

        Raises ActiveRun, RateLimited, ThreadGone, UnansweredCalls, ConversationIgnored, ProviderRefused, NotSent:
        definite, nothing was started; OutcomeUnknown: look with `find_run` before repeating.
        Only `shared.runs.start` calls this.
        """
        ...

    async def find_run(self, start: RunStart) -> RunState | None:
        """The run that an attempt of this turn left at the provider, if its thread shows one."""
        ...

    async def find_active_run(self, thread: Thread) -> RunState | None:
        """The newest run that still blocks the thread; None where there is none or the wire cannot tell."""
        ...

    async def get_run(self, thread: Thread, run_id: str, turn_id: str, *, with_text: bool = True) -> RunState:
        """`turn_id`: of the turn that asks, whose own streams may know more of the run.

        Raises NotFoundAtProvider, ThreadGone, RateLimited, NotSent, OutcomeUnknown, ProviderRefused."""
        ...

    def listen(self, thread: Thread, run_id: str, turn_id: str) -> AsyncGenerator[TextHeard | RunState, None]:
        """What the run says, from its beginning (from `said`, where outputs were submitted with it).

        `turn_id`: of the turn that the run answers. Some servers give an id twice: a run that names another turn is
        not heard.

        Offsets are continuous, and the words together are a prefix of the text that `get_run` gives at the end. A last
        item is the run's state where the stream has told it: ended, or waiting for outputs, as `get_run` would give it.
        Ends without one when the stream broke off, fell silent or never was: ask with `get_run` then. Raises nothing.
        A listener that stops, also by an error, lets the stream go.
        """
        ...

    async def cancel_run(self, thread: Thread, run_id: str) -> RunState:
        """Ask for the run's end: a request, not a fact.

        Raises NotCancellable; RunsInForeground where no cancel can ever end this run.
        """
        ...

    async def erase_turn(self, start: RunStart) -> Thread | None:
        """Take the turn's message, all that its runs said, and what was put back before it, out of the thread.

        Returns the thread as it is known from then on; None where that cannot be done. Without a text, where a cursor
        tells: only what they left behind it.
        """
        ...

    async def delete_thread(self, thread: Thread) -> bool:
        """Delete the thread and all in it; True where it is gone, False where it may still be there. Raises nothing."""
        ...

    async def delete_object(self, remote: RemoteObject) -> bool:
        """As `delete_thread`, for what is kept beside threads; True also for what this wire knows nothing of."""
        ...

    async def submit_tool_outputs(
        self,
        thread: Thread,
        run_id: str,
        turn_id: str,
        outputs: Sequence[ToolOutput],
        *,
        stream: bool = False,
        said: str = "",
    ) -> RunState:
        """Continue a run in requires_action, where `outputs_start_run` is False.

        With `stream` the rest of the run can be listened to; `said` is its text so far, from which offsets go on.
        Raises ProviderRefused when the run no longer waits for outputs.
        """
        ...

    async def ping(self) -> bool:
        """Whether the server answers at all."""
        ...
