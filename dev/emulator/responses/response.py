"""A response: the job of the Responses wire, with its output and its numbered events."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dev.emulator.brain.plan import Brain, Outcome, Plan
from dev.emulator.config import Config
from dev.emulator.errors import Json
from dev.emulator.event_log import EventLog
from dev.emulator.ids import response_wire_id, thread_wire_id
from dev.emulator.jobs import Job
from dev.emulator.parameters import under_schema
from dev.emulator.responses.items import (
    allowed_calls,
    answer_item,
    approval_item,
    call_item,
    image_item,
    is_user_message,
    read_prompt,
    text_part,
    words_in,
)

if TYPE_CHECKING:
    from dev.emulator.responses.conversation import Conversation


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a create asked for, as the server understood it."""

    model: str
    input: list[Json]
    earlier: list[Json]
    """The items before the input: of the conversation, or of the previous responses."""
    conversation: "Conversation | None" = None
    previous_response_id: str | None = None
    instructions: str | None = None
    tools: tuple[Json, ...] = ()
    background: bool = False
    store: bool = True
    stream: bool = False
    text_format: Json = field(default_factory=lambda: {"type": "text"})


class Response(Job):
    """Statuses, fields and events as the vendor documents them."""

    def __init__(
        self, config: Config, brain: Brain, order: Order, *, metadata: dict[str, str], plan: Plan | None = None
    ) -> None:
        self.order = order
        self.output: list[Json] = []
        self._saying: int | None = None
        """Where the message under way stands in the output."""
        self.log = EventLog()
        self.readable = order.store
        """Whether reads by id find it."""
        prompt = read_prompt(
            [*order.earlier, *order.input],
            model=order.model,
            instructions=order.instructions or "",
            tools=order.tools,
        )
        planned = plan or under_schema(brain(prompt), order.text_format)
        super().__init__(response_wire_id("resp"), config, planned, metadata=metadata, foreign=plan is not None)
        if not order.background and self.plan.outcome is not Outcome.STUCK:
            self.become("in_progress")
        self._emit_body("created")
        if self.status == "queued":
            self._emit_body("queued")

    @property
    def context(self) -> list[Json]:
        """What a response that names this one as its previous continues."""
        return [*self.order.earlier, *self.order.input, *self.output]

    async def work(self) -> None:
        await self.queue()
        if self.status == "queued":
            self.become("in_progress")
        self._emit_body("in_progress")
        for made in allowed_calls(self.order.input, self.order.earlier):
            self._add(made)
        for prompt in self.plan.images:
            self._draw(image_item(prompt))
        if not self.plan.calls:
            await self.perform()
            return
        await self.prelude()
        for call in self.plan.calls:
            if call.server is None:
                self._call(call_item(call.name, call.arguments, thread_wire_id("call")))
            else:
                self._add(approval_item(call.server, call.name, call.arguments))
        self.finish("completed")

    def _call(self, item: Json) -> None:
        at = {"output_index": len(self.output), "item_id": item["id"]}
        self.output.append(item)
        begun = {**item, "arguments": "", "status": "in_progress"}
        self._emit("output_item.added", {"output_index": at["output_index"], "item": begun})
        self._emit("function_call_arguments.delta", {**at, "delta": item["arguments"]})
        done = {**at, "name": item["name"], "arguments": item["arguments"]}
        self._emit("function_call_arguments.done", done)
        self._emit("output_item.done", {"output_index": at["output_index"], "item": item})

    def _draw(self, item: Json) -> None:
        """The item is told of without its data first, then with it."""
        at = {"output_index": len(self.output)}
        begun = {name: value for name, value in item.items() if name != "result"} | {"status": "in_progress"}
        self.output.append(item)
        self._emit("output_item.added", at | {"item": begun})
        for step in ("in_progress", "generating", "completed"):
            self._emit(f"image_generation_call.{step}", at | {"item_id": item["id"]})
        self._emit("output_item.done", at | {"item": item})

    def _add(self, item: Json) -> None:
        at = {"output_index": len(self.output), "item": item}
        self.output.append(item)
        self._emit("output_item.added", at)
        self._emit("output_item.done", at)

    def say(self, chunk: str) -> None:
        if self._saying is None:
            self._saying = len(self.output)
            item = answer_item("", "in_progress")
            self.output.append(item)
            self._emit("output_item.added", {"output_index": self._saying, "item": item})
            item["content"] = [text_part("")]
            self._emit("content_part.added", {**self._part_at(self._saying), "part": text_part("")})
        self.output[self._saying]["content"][0]["text"] += chunk
        self._emit("output_text.delta", {**self._part_at(self._saying), "delta": chunk, "logprobs": []})

    def _part_at(self, index: int) -> Json:
        return {"item_id": self.output[index]["id"], "output_index": index, "content_index": 0}

    def end_message(self) -> None:
        self._finish_answer("completed")

    def finish(self, status: str) -> None:
        if status in {"completed", "incomplete"}:
            self._finish_answer(status)
        if status == "cancelled":
            self.output = []
        # Nothing expires under that name here: what is too old has failed.
        self.become("failed" if status == "expired" else status)
        self.ended.set()
        self._leave_items()
        if self.status != "cancelled":
            self._emit_body(self.status)
        elif self.config.cancel_event:
            self._emit_body(self.config.cancel_event.removeprefix("response."))
        self.log.close()

    def _finish_answer(self, status: str) -> None:
        if self._saying is None:
            return
        index, self._saying = self._saying, None
        item = self.output[index]
        item["status"] = status
        part = item["content"][0]
        if not any(each["type"] == "message" for each in self.output[:index]):
            self._cite(index, part)
        self._emit("output_text.done", {**self._part_at(index), "text": part["text"], "logprobs": []})
        self._emit("content_part.done", {**self._part_at(index), "part": part})
        self._emit("output_item.done", {"output_index": index, "item": item})

    def _cite(self, index: int, part: Json) -> None:
        for number, note in enumerate(self.plan.citations):
            part["annotations"].append(dict(note))
            at = {**self._part_at(index), "annotation_index": number, "annotation": dict(note)}
            self._emit("output_text.annotation.added", at)

    def _leave_items(self) -> None:
        """Items enter the conversation only at the end, as the vendor documents."""
        if self.order.conversation is None:
            return
        if self.status in {"completed", "incomplete"}:
            self.order.conversation.add([*self.order.input, *self.output])
        elif self.config.keep_failed_user_message:
            self.order.conversation.add([each for each in self.order.input if is_user_message(each)])

    def kill(self) -> None:
        super().kill()
        self.log.close()

    @property
    def wind_down_seconds(self) -> float:
        return self.config.cancel_seconds or 0

    def _emit_body(self, name: str) -> None:
        self._emit(name, {"response": self.body()})

    def _emit(self, name: str, data: Json) -> None:
        number = {"sequence_number": len(self.log.events)} if self.config.sequence_numbers else {}
        self.log.append(f"response.{name}", {"type": f"response.{name}", **number, **data})

    def body(self) -> Json:
        order, over = self.order, self.ended.is_set()
        completed = self.when("completed")
        error = {"code": self.plan.error_code, "message": f"Emulated failure: {self.plan.error_code}."}
        return {
            "id": self.id,
            "object": "response",
            "created_at": int(self.born),
            "completed_at": int(completed) if completed else None,
            "status": self.status,
            "background": order.background,
            "conversation": {"id": order.conversation.id} if order.conversation else None,
            "previous_response_id": order.previous_response_id,
            "error": error if self.status == "failed" else None,
            "incomplete_details": {"reason": "max_output_tokens"} if self.status == "incomplete" else None,
            "instructions": order.instructions,
            "model": order.model,
            "output": self.output,
            "parallel_tool_calls": True,
            "store": order.store,
            "tool_choice": "auto",
            "tools": list(order.tools),
            "metadata": self.metadata,
            "text": {"format": order.text_format},
            "usage": self._usage() if over and self.status in {"completed", "incomplete"} else None,
        }

    def _usage(self) -> Json:
        asked, said = words_in([*self.order.earlier, *self.order.input]), words_in(self.output)
        return {
            "input_tokens": asked,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": said,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": asked + said,
        }

    def report(self) -> Json:
        order = self.order
        return {
            **super().report(),
            "conversation_id": order.conversation.id if order.conversation else None,
            "background": order.background,
            "stream": order.stream,
        }
