"""Everything the emulator remembers, in memory."""

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from dev.emulator import errors
from dev.emulator.brain.plan import Brain
from dev.emulator.brain.team import play
from dev.emulator.config import Config
from dev.emulator.errors import Json
from dev.emulator.ids import now
from dev.emulator.jobs import Job, Overlap, Place

if TYPE_CHECKING:
    from dev.emulator.faults import Fault
    from dev.emulator.responses.conversation import Conversation
    from dev.emulator.responses.response import Response
    from dev.emulator.threads.run import Run
    from dev.emulator.threads.thread import Thread

REQUESTS_KEPT = 5000


class Emulator:
    """One server. Objects are found by id; lists are in order of creation."""

    def __init__(self, config: Config | None = None, brain: Brain = play) -> None:
        self.first_config = config or Config()
        self.brain = brain
        self.epoch = asyncio.Event()
        """Set at the next reset, when everything that is held back has to let go."""
        self.started = asyncio.Event()
        """Set when the next job starts, and then replaced."""
        self._clear()

    def _clear(self) -> None:
        self.config = self.first_config
        self.faults: list[Fault] = []
        self.assistants: dict[str, Json] = {}
        self.threads: dict[str, Thread] = {}
        self.runs: dict[str, Run] = {}
        self.conversations: dict[str, Conversation] = {}
        self.responses: dict[str, Response] = {}
        self.max_active: dict[str, int] = {}
        """By thread or conversation, deleted ones included."""
        self.violations: list[Overlap] = []
        self.requests: deque[Json] = deque(maxlen=REQUESTS_KEPT)

    def reset(self) -> None:
        """Back to the state of the start, configuration included; runs under way end without a word."""
        for job in [*self.runs.values(), *self.responses.values()]:
            job.kill()
        self.epoch.set()
        self.epoch = asyncio.Event()
        self._clear()

    def start(self, job: Job, place: Place | None) -> None:
        """Admits a job where it was found free, or where nothing is locked, and sets it going."""
        if place is not None:
            overlap = place.admit(job)
            self.max_active[place.id] = place.max_active
            if overlap is not None:
                self.violations.append(overlap)
        job.start()
        self.started.set()
        self.started = asyncio.Event()

    def visible(self, born: float) -> bool:
        """Whether lists show an object of that age yet."""
        return now() - born >= self.config.list_lag_seconds

    def thread(self, thread_id: str) -> "Thread":
        if thread_id not in self.threads:
            raise errors.not_found("thread", thread_id)
        return self.threads[thread_id]

    def run(self, thread_id: str, run_id: str) -> "Run":
        thread = self.thread(thread_id)
        run = self.runs.get(run_id)
        if run is None or run.thread is not thread:
            raise errors.not_found("run", run_id)
        return run

    def assistant(self, assistant_id: str) -> Json:
        if assistant_id not in self.assistants:
            raise errors.not_found("assistant", assistant_id)
        return self.assistants[assistant_id]

    def conversation(self, conversation_id: str) -> "Conversation":
        if self.config.conversation == "404" or conversation_id not in self.conversations:
            raise errors.absent("Conversation", conversation_id)
        return self.conversations[conversation_id]

    def response(self, response_id: str) -> "Response":
        response = self.responses.get(response_id)
        if response is None or not response.readable:
            raise errors.absent("Response", response_id)
        return response

    def report(self) -> Json:
        return {
            "config": self.config.model_dump(),
            "threads": [each.report() for each in self.threads.values()],
            "runs": [each.report() for each in self.runs.values()],
            "conversations": [each.report() for each in self.conversations.values()],
            "responses": [each.report() for each in self.responses.values()],
            "max_active": self.max_active,
            "violations": [{"place": each.place, "at": each.at, "active": each.active} for each in self.violations],
            "faults": [each.report() for each in self.faults],
            "requests": list(self.requests),
        }
