"""A thread of the thread/run wire: its messages, its open calls and its one active run."""

from __future__ import annotations

from dataclasses import dataclass, field

from dev.emulator import errors
from dev.emulator.errors import Json
from dev.emulator.ids import now, thread_wire_id
from dev.emulator.jobs import Place
from dev.emulator.request_body import read_metadata, text_of


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
    file_id: str | None = None
    """Of an image that it shows."""
    born: float = field(default_factory=now)

    def body(self) -> Json:
        content = [{"type": "text", "text": {"value": self.text, "annotations": []}}] if self.text else []
        if self.file_id is not None:
            content.append({"type": "image_file", "image_file": {"file_id": self.file_id}})
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
    files: dict[str, bytes] = field(default_factory=dict)
    since: list[Message | Call] = field(default_factory=list)
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

    def add_answer(self, run_id: str, assistant_id: str) -> Message:
        new_id = thread_wire_id("msg")
        answer = Message(new_id, self.id, "assistant", "", {}, run_id, assistant_id, status="in_progress")
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
