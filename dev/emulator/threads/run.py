"""A run of the thread wire: the job that answers a thread's last user message."""

import asyncio

from dev.emulator.brain.plan import Brain, Called, Plan, Prompt, Said, ToolOutput
from dev.emulator.config import Config
from dev.emulator.errors import Json
from dev.emulator.event_log import EventLog
from dev.emulator.ids import thread_wire_id
from dev.emulator.jobs import Job
from dev.emulator.parameters import under_schema
from dev.emulator.picture import picture
from dev.emulator.threads.thread import Call, Message, Thread

MESSAGE_STATUS = {"completed": ("completed", None), "incomplete": ("incomplete", "max_tokens")}
"""Status of the answer and why it is incomplete, by the run's status; for the others, see `Run.finish`."""


class Run(Job):
    """Statuses, fields and events as the vendor documents them for `thread.run`."""

    def __init__(
        self,
        config: Config,
        thread: Thread,
        brain: Brain,
        *,
        assistant: Json,
        body: Json,
        metadata: dict[str, str],
        plan: Plan | None = None,
    ) -> None:
        self.thread = thread
        self.assistant_id: str = assistant["id"]
        self.model: str = body.get("model") or assistant["model"]
        self.instructions = instructions_of(assistant, body)
        self.tools: list[Json] = body["tools"] if body.get("tools") is not None else assistant["tools"]
        self.log = EventLog()
        self.calls: list[Call] = []
        """Those of the step under way."""
        self.all_calls: list[Call] = []
        self.answer: Message | None = None
        """The message under way."""
        self.answers: list[Message] = []
        self._response_format = body.get("response_format")
        self._brain = brain
        self._given = asyncio.Event()
        super().__init__(
            thread_wire_id("run"), config, plan or self._planned(), metadata=metadata, foreign=plan is not None
        )
        for name in ("created", "queued"):
            self._emit(name)

    def _planned(self) -> Plan:
        return under_schema(self._brain(self.prompt()), self._response_format)

    def prompt(self) -> Prompt:
        users, since = self.thread.user_messages, self.thread.since
        calls = [each for each in since if isinstance(each, Call)]
        offered = [each["function"] for each in self.tools if each.get("type") == "function"]
        return Prompt(
            text=users[-1].text if users else "",
            user_messages=len(users),
            outputs=tuple(ToolOutput(each.name, each.output) for each in calls if each.output is not None),
            called=bool(calls),
            model=self.model,
            instructions=self.instructions,
            tools=frozenset(each["name"] for each in offered),
            since=tuple(_event(each) for each in since),
            schemas={each["name"]: each.get("parameters") or {} for each in offered},
        )

    async def work(self) -> None:
        while True:
            await self.queue()
            self.become("in_progress")
            self._emit("in_progress")
            if not self.plan.calls:
                break
            await self.prelude()
            self._ask()
            await self._given.wait()
        for words in self.plan.images:
            self._draw(words)
        await self.perform()

    def _draw(self, words: str) -> None:
        """A message with nothing but a file."""
        message = self.thread.add_answer(self.id, self.assistant_id)
        message.file_id, message.status = thread_wire_id("file"), "completed"
        self.thread.files[message.file_id] = picture(words)
        for name in ("created", "completed"):
            self.log.append(f"thread.message.{name}", message.body())

    def _ask(self) -> None:
        self.calls = [Call(thread_wire_id("call"), each.name, each.arguments) for each in self.plan.calls]
        self.all_calls += self.calls
        self.thread.since += self.calls
        self._given.clear()
        self.become("requires_action")
        self._emit("requires_action")
        self.log.done()

    def give(self, outputs: dict[str, str]) -> None:
        """Takes the outputs of all calls; the events after this go to a new stream."""
        for call in self.calls:
            call.output = outputs[call.id]
        self.plan = self._planned()
        self.log = EventLog()
        self.become("queued")
        self._emit("queued")
        self._given.set()

    def say(self, chunk: str) -> None:
        if self.answer is None:
            self.answer = self.thread.add_answer(self.id, self.assistant_id)
            self.answers.append(self.answer)
            for name in ("created", "in_progress"):
                self.log.append(f"thread.message.{name}", self.answer.body())
        self.answer.text += chunk
        part = {"index": 0, "type": "text", "text": {"value": chunk, "annotations": []}}
        delta = {"id": self.answer.id, "object": "thread.message.delta", "delta": {"content": [part]}}
        self.log.append("thread.message.delta", delta)

    def end_message(self) -> None:
        if self.answer is not None:
            self.answer.status = "completed"
            self.log.append("thread.message.completed", self.answer.body())
            self.answer = None

    def finish(self, status: str) -> None:
        self.become(status)
        self.ended.set()
        if self.answer is not None:
            self.answer.status, self.answer.incomplete_reason = MESSAGE_STATUS.get(
                status, ("incomplete", f"run_{status}")
            )
            self.log.append(f"thread.message.{self.answer.status}", self.answer.body())
        self._emit(status)
        self.log.done()

    def request_cancel(self) -> None:
        super().request_cancel()
        self.become("cancelling")
        self._emit("cancelling")

    def kill(self) -> None:
        super().kill()
        self.log.close()

    @property
    def wind_down_seconds(self) -> float:
        return self.config.wind_down_seconds

    def _emit(self, name: str) -> None:
        self.log.append(f"thread.run.{name}", self.body())

    def body(self) -> Json:
        error = {"code": self.plan.error_code, "message": f"Emulated failure: {self.plan.error_code}."}
        calls = {
            "type": "submit_tool_outputs",
            "submit_tool_outputs": {"tool_calls": [each.body() for each in self.calls]},
        }
        started, ended = self.when("in_progress"), self.when(self.status)
        at = {name: int(ended) for name in ("completed", "failed", "cancelled") if self.status == name and ended}
        return {
            "id": self.id,
            "object": "thread.run",
            "created_at": int(self.born),
            "thread_id": self.thread.id,
            "assistant_id": self.assistant_id,
            "status": self.status,
            "required_action": calls if self.status == "requires_action" else None,
            "last_error": error if self.status == "failed" else None,
            "incomplete_details": {"reason": "max_completion_tokens"} if self.status == "incomplete" else None,
            "expires_at": None if self.ended.is_set() else int(self.born + self.config.expiry_seconds),
            "started_at": int(started) if started else None,
            "completed_at": at.get("completed"),
            "failed_at": at.get("failed"),
            "cancelled_at": at.get("cancelled"),
            "model": self.model,
            "instructions": self.instructions,
            "tools": self.tools,
            "metadata": self.metadata,
            "usage": self._usage() if self.ended.is_set() else None,
            "parallel_tool_calls": True,
            "tool_choice": "auto",
        }

    def _usage(self) -> Json:
        asked = sum(len(each.text.split()) for each in self.thread.user_messages)
        asked += sum(len((each.output or "").split()) for each in self.all_calls)
        said = sum(len(each.text.split()) for each in self.answers)
        said += sum(len(each.arguments.split()) for each in self.all_calls)
        return {"prompt_tokens": asked, "completion_tokens": said, "total_tokens": asked + said}

    def report(self) -> Json:
        return {**super().report(), "thread_id": self.thread.id, "assistant_id": self.assistant_id}


def _event(each: Message | Call) -> Said | Called:
    return Called(each.name, each.arguments, each.output) if isinstance(each, Call) else Said(each.text)


def instructions_of(assistant: Json, body: Json) -> str:
    """The run's own instructions replace the assistant's; additional ones are appended to either."""
    base = body.get("instructions") or assistant.get("instructions") or ""
    return "\n".join(each for each in (base, body.get("additional_instructions")) if each)
