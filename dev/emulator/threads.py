"""Threads and their messages on the Assistants wire."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from dev.emulator import errors
from dev.emulator.ids import now, thread_wire_id
from dev.emulator.jobs import Place
from dev.emulator.reading import emulator_of, mark_accepted, page, read_body, read_list, read_metadata, text_of
from dev.emulator.state import Emulator

if TYPE_CHECKING:
    from dev.emulator.runs import Run

Json = dict[str, Any]


@dataclass(slots=True)
class Message:
    id: str
    thread_id: str
    role: str
    text: str
    metadata: dict[str, str]
    run_id: str | None = None
    assistant_id: str | None = None
    status: str = "completed"
    incomplete_reason: str | None = None
    born: float = field(default_factory=now)

    def body(self) -> Json:
        content = [{"type": "text", "text": {"value": self.text, "annotations": []}}] if self.text else []
        return {
            "id": self.id,
            "object": "thread.message",
            "created_at": int(self.born),
            "thread_id": self.thread_id,
            "status": self.status,
            "incomplete_details": {"reason": self.incomplete_reason} if self.incomplete_reason else None,
            "role": self.role,
            "content": content,
            "assistant_id": self.assistant_id,
            "run_id": self.run_id,
            "attachments": [],
            "metadata": self.metadata,
        }


@dataclass(slots=True)
class Call:
    """A tool call of a run."""

    id: str
    name: str
    arguments: str
    output: str | None = None

    def body(self) -> Json:
        return {"id": self.id, "type": "function", "function": {"name": self.name, "arguments": self.arguments}}


@dataclass(slots=True)
class Thread(Place):
    messages: dict[str, Message] = field(default_factory=dict)
    since: "list[Message | Call]" = field(default_factory=list)
    """What was said and called since the last user message, in whichever run: the next one sees it all."""

    @property
    def user_messages(self) -> list[Message]:
        return [each for each in self.messages.values() if each.role == "user"]

    def add(self, message: Message) -> Message:
        self.messages[message.id] = message
        if message.role == "user":
            self.since.clear()
        else:
            self.since.append(message)
        return message

    def add_answer(self, run: "Run") -> Message:
        new_id = thread_wire_id("msg")
        answer = Message(new_id, self.id, "assistant", "", {}, run.id, run.assistant_id, status="in_progress")
        return self.add(answer)

    def body(self) -> Json:
        return {
            "id": self.id,
            "object": "thread",
            "created_at": int(self.born),
            "metadata": self.metadata,
            "tool_resources": {},
        }

    def report(self) -> Json:
        # Not super(): a slotted dataclass is a second class, which the compiler's reference does not follow.
        return {**Place.report(self), "messages": [each.body() for each in self.messages.values()]}


def read_message(body: Json, thread_id: str) -> Message:
    role = body.get("role")
    if role not in {"user", "assistant"}:
        raise errors.invalid_parameter("role", "expected 'user' or 'assistant'")
    if not body.get("content"):
        raise errors.missing_parameter("content")
    return Message(thread_wire_id("msg"), thread_id, role, text_of(body["content"]), read_metadata(body))


def make_thread(emulator: Emulator, body: Json) -> Thread:
    """A thread that is not yet known to the server: creating a thread with a run can still be refused."""
    thread = Thread(thread_wire_id("thread"), read_metadata(body))
    for each in read_list(body, "messages"):
        thread.add(read_message(each, thread.id))
    return thread


async def create(request: Request) -> Response:
    emulator = emulator_of(request)
    thread = make_thread(emulator, await read_body(request))
    emulator.threads[thread.id] = thread
    mark_accepted(request)
    return JSONResponse(thread.body())


async def get(request: Request) -> Response:
    return JSONResponse(emulator_of(request).thread(request.path_params["thread"]).body())


async def modify(request: Request) -> Response:
    thread = emulator_of(request).thread(request.path_params["thread"])
    thread.metadata = read_metadata(await read_body(request))
    return JSONResponse(thread.body())


async def delete(request: Request) -> Response:
    emulator = emulator_of(request)
    thread = emulator.thread(request.path_params["thread"])
    for job in thread.active.values():
        job.kill()
    del emulator.threads[thread.id]
    return JSONResponse({"id": thread.id, "object": "thread.deleted", "deleted": True})


async def add_message(request: Request) -> Response:
    emulator = emulator_of(request)
    thread = emulator.thread(request.path_params["thread"])
    message = read_message(await read_body(request), thread.id)
    config, holder = emulator.config, thread.holder
    if holder is not None and config.lock:
        thread.conflicts += 1
        raise errors.thread_takes_no_message(
            thread.id, holder.id, status=config.conflict_status, names_run=config.conflict_names_run
        )
    thread.add(message)
    mark_accepted(request)
    return JSONResponse(message.body())


async def list_messages(request: Request) -> Response:
    emulator = emulator_of(request)
    thread = emulator.thread(request.path_params["thread"])
    of_run = request.query_params.get("run_id")
    shown = [each for each in thread.messages.values() if emulator.visible(each.born) and of_run in {None, each.run_id}]
    return JSONResponse(page(request, shown, Message.body))


def _message(request: Request) -> tuple[Thread, Message]:
    thread = emulator_of(request).thread(request.path_params["thread"])
    message_id: str = request.path_params["message"]
    if message_id not in thread.messages:
        raise errors.not_found("message", message_id)
    return thread, thread.messages[message_id]


async def get_message(request: Request) -> Response:
    return JSONResponse(_message(request)[1].body())


async def modify_message(request: Request) -> Response:
    _, message = _message(request)
    message.metadata = read_metadata(await read_body(request))
    return JSONResponse(message.body())


async def delete_message(request: Request) -> Response:
    thread, message = _message(request)
    del thread.messages[message.id]
    return JSONResponse({"id": message.id, "object": "thread.message.deleted", "deleted": True})


routes = [
    Route("/threads", create, methods=["POST"]),
    Route("/threads/{thread}", get, methods=["GET"]),
    Route("/threads/{thread}", modify, methods=["POST"]),
    Route("/threads/{thread}", delete, methods=["DELETE"]),
    Route("/threads/{thread}/messages", add_message, methods=["POST"]),
    Route("/threads/{thread}/messages", list_messages, methods=["GET"]),
    Route("/threads/{thread}/messages/{message}", get_message, methods=["GET"]),
    Route("/threads/{thread}/messages/{message}", modify_message, methods=["POST"]),
    Route("/threads/{thread}/messages/{message}", delete_message, methods=["DELETE"]),
]
