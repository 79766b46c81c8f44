"""Chat events as the AI SDK's "UI message stream": pure, and never a failure, for any words of a model.

A stream is a sequence of `data:` frames, one JSON part each. Their order is a promise to the reader: one `start`
first, one `finish` and `[DONE]` last, every text delta between its own `text-start` and `text-end`, every tool output
after its call. Readers refuse a whole stream over one part that they do not understand.

This file is longer than 250 lines because that order is one promise, and all that could break it stands here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from functions.multi_agent_chat import render
from functions.multi_agent_chat.stream.call_parts import CallParts
from functions.multi_agent_chat.stream.frames import DONE, frame, whole
from functions.multi_agent_chat.ui_transcript import image_part, source_part
from shared.core.chat_events import (
    ChatEvent,
    HandoffMade,
    ImageMade,
    MessageDelta,
    MessageSteered,
    PersonAsked,
    RunConflicted,
    RunStarted,
    ToolAnswered,
    ToolCalled,
    TurnQueued,
)
from shared.core.images import Image
from shared.core.redaction import shown_id
from shared.core.runs import Handoff
from shared.core.turns import RunRecord, Turn, TurnStatus

_UNCOMPARED = re.compile("[\x00\ufffd]")  # what a row cannot hold, and what it holds instead
_METADATA = ("turn_id", "status", "agent", "usage", "runs", "handoffs", "conflicts", "waited_ms")
_SHARED = ("covers", "steered_into")  # of some answers


@dataclass(slots=True)
class _Said:
    """What one run says: its open text part, and all of its words."""

    agent: str
    run_id: str
    part_id: str = ""
    pieces: list[str] = field(default_factory=list)
    held: str = ""  # half of a character: the other half may be next
    open: bool = False

    @property
    def text(self) -> str:
        return whole("".join(self.pieces).removesuffix(self.held))


@dataclass(frozen=True, slots=True)
class Known:
    """How much of the turn stands in the message that a reader goes on with: nothing where that is a new one."""

    runs: int = 0
    handoffs: int = 0


class UiStream:
    """One turn's stream: `opening` once, `event` for each event, `closing` once."""

    def __init__(self, *, approvals: bool = False, steering: bool = False, known: Known | None = None) -> None:
        """`approvals`: the reader knows the parts of calls that wait for a person; `steering`: that of one that joins.

        `known`: where it goes on with a message, what it has of it.
        """
        self._approvals, self._steering, self._known = approvals, steering, known or Known()
        self._known_runs: set[str] = set()
        self._known_steered: set[str] = set()
        self._runs: dict[str, _Said] = {}  # in the order in which they began
        self._calls = CallParts(approvals=approvals)
        self._known_images: set[str] = set()
        self._texts = self._handoffs = 0
        self._turn: dict[str, Any] = {}
        self._closed = False

    def opening(self, turn: Turn, replayed: bool) -> bytes:
        ids = {"turn_id": turn.turn_id, "conversation_id": turn.conversation_id, "seq": turn.seq}
        metadata = ids | {"agent": turn.agent, "replayed": replayed}
        start = frame({"type": "start", "messageId": turn.turn_id, "messageMetadata": metadata})
        self._turn = ids | {"state": "", "position": turn.position}
        if self._known.runs:
            self._known_runs = {run_id for run_id, _ in turn.named_runs[: self._known.runs]}
            self._known_images = {image.image_id for run in _until(turn, self._known.runs) for image in run.images}
            self._known_steered = {one.turn_id for one in turn.steered}
        if turn.status.final or turn.status is TurnStatus.WAITING:
            return start  # the end says how it ended
        if turn.status in (TurnStatus.RUNNING, TurnStatus.REQUIRES_ACTION):
            return start + self._state(state="running", agent=turn.agent)
        return start + self._state(state="queued" if turn.position else "accepted")

    def event(self, event: ChatEvent) -> bytes:
        if self._closed:
            return b""
        match event:
            case TurnQueued():
                return self._state(state="queued", position=event.position)
            case RunConflicted():
                return self._state(state="conflict", waiting_on=shown_id(event.run_id))
            case RunStarted():
                return self._run(event.run_id, event.agent)
            case MessageDelta():
                return self._run(event.run_id, event.agent) + self._delta(self._runs[event.run_id], event.text)
            case ToolCalled():
                return self._calls.called(event)
            case ImageMade():
                return self._image(event.image)
            case PersonAsked():
                return self._calls.asked(event.call)
            case ToolAnswered():
                return self._calls.answered(event)
            case HandoffMade():
                return self._end_texts() + self._handoff(event)
            case MessageSteered():
                return self._steered(event)

    def closing(self, turn: Turn | None, error: Mapping[str, Any] | None) -> bytes:
        """The end, once: with what `turn` has come to, and the error body where it is an error."""
        if self._closed:
            return b""
        frames = self._end(turn, failed=error is not None)
        self._closed = True
        if error is not None:
            frames += frame({"type": "data-error", "id": "error", "data": dict(error)})
            frames += frame({"type": "error", "errorText": str(error.get("message", ""))})
        finish: dict[str, Any] = {"type": "finish"}
        if turn is not None:
            answer = render.turn_answer(turn, replayed=False, quoting=error is None)
            metadata = {name: answer[name] for name in (*_METADATA, *_SHARED) if name in answer}
            meant = {name: value for name, value in (answer["reply"] or {}).items() if name not in ("text", "images")}
            finish["messageMetadata"] = metadata | meant  # its words were streamed: what they mean as JSON was not
        return frames + frame(finish) + DONE

    def _end(self, turn: Turn | None, failed: bool) -> bytes:
        frames = b""
        if turn is not None and turn.status is TurnStatus.COMPLETED and not failed:
            frames = self._rest(turn)
        frames += self._end_texts()
        if turn is not None and not failed:
            frames += b"".join(self._image(image) for image in turn.images) + self._cited(turn)
        if turn is None or not turn.status.final:
            return frames if failed or turn is None else frames + self._left_open(turn)
        if turn.status is not TurnStatus.COMPLETED:
            frames += self._calls.unanswered()
        return frames + self._state(state=turn.status.value, position=turn.position)

    def _cited(self, turn: Turn) -> bytes:
        """What the runs on record cite, each once: also those that another instance has served."""
        new = [run for run_id, run in turn.named_runs if run_id not in self._known_runs]
        parts = [source_part(one) for run in new for one in run.sources]
        return b"".join(frame(part) for part in {part["sourceId"]: part for part in parts}.values())

    def _image(self, image: Image) -> bytes:
        if image.image_id in self._known_images:
            return b""
        self._known_images.add(image.image_id)
        return self._end_texts() + frame(image_part(image))

    def _left_open(self, turn: Turn) -> bytes:
        if turn.status is TurnStatus.WAITING:
            return self._state(state="waiting", position=turn.position)
        retry_after = render.next_poll_seconds(turn)
        return self._state(state="open", position=turn.position, retry_after=retry_after)

    def _state(self, **changes: Any) -> bytes:
        """The turn's own part: each one replaces the one before it at the reader."""
        state = {name: value for name, value in self._turn.items() if name not in ("waiting_on", "retry_after")}
        state |= {name: value for name, value in changes.items() if value is not None}
        if state == self._turn:
            return b""
        self._turn = state
        return frame({"type": "data-turn", "id": "turn", "data": state})

    def _run(self, run_id: str, agent: str) -> bytes:
        if run_id in self._runs:
            return b""
        frames = b"".join(self._end_text(run) for run in self._runs.values() if run.agent == agent)
        behind = bool(self._runs) or bool(self._known.runs)
        self._runs[run_id] = _Said(agent, run_id)
        if (self._approvals or self._known.runs) and behind and run_id not in self._known_runs:
            # a step of its own: else the page takes the calls before it for its last, and sends their outputs again
            frames += frame({"type": "start-step"})
        return frames + self._state(state="running", position=0, agent=agent)

    def _delta(self, run: _Said, text: str) -> bytes:
        run.pieces.append(text)
        text, run.held = run.held + text, ""
        if text and "\ud800" <= text[-1] <= "\udbff":
            text, run.held = text[:-1], text[-1]
        return self._words(run, text)

    def _words(self, run: _Said, text: str) -> bytes:
        if not text or run.run_id in self._known_runs:
            return b""
        frames = b""
        if not run.open:
            self._texts += 1  # one that was told to have ended may say more all the same
            run.open, run.part_id = True, f"text-{self._texts}-{shown_id(run.run_id)}"
            frames = frame({"type": "text-start", "id": run.part_id})
        return frames + frame({"type": "text-delta", "id": run.part_id, "delta": text})

    def _end_text(self, run: _Said) -> bytes:
        held, run.held = run.held, ""
        frames = self._words(run, held)
        if not run.open:
            return frames
        run.open = False
        return frames + frame({"type": "text-end", "id": run.part_id})

    def _end_texts(self) -> bytes:
        return b"".join(self._end_text(run) for run in self._runs.values())

    def _handoff(self, event: HandoffMade | Handoff) -> bytes:
        self._handoffs += 1
        if self._handoffs <= self._known.handoffs:
            return b""
        data = {"from": event.from_agent, "to": event.to_agent, "reason": event.reason, "task": event.task}
        return frame({"type": "data-handoff", "id": f"handoff-{self._handoffs}", "data": data})

    def _steered(self, event: MessageSteered) -> bytes:
        """To the message's own reader its state, to that of the turn it has joined the message, at its place."""
        if event.turn_id == self._turn["turn_id"]:
            return self._state(state="steered", position=0, steered_into=event.into)
        if event.turn_id in self._known_steered:
            return b""
        parts = [{"type": "text", "text": event.text}]
        if self._steering:
            return self._end_texts() + frame({"type": "steering-message", "id": event.turn_id, "parts": parts})
        data = {"turn_id": event.turn_id, "text": event.text}
        return self._end_texts() + frame({"type": "data-steered", "id": event.turn_id, "data": data})

    def _rest(self, turn: Turn) -> bytes:
        """What of the reply has not been said yet: its end where it was cut, all of it where nothing was heard."""
        reply = turn.reply or ""
        said = [run for run in self._runs.values() if run.pieces]
        frames = b""
        if not said and not self._handoffs:
            frames = b"".join(self._handoff(handoff) for handoff in turn.handoffs)
        said = [run for run in said if run.agent == turn.agent] or said  # the others were asked by it
        tails = [_joined(said[first:]) for first in range(len(said) - 1, -1, -1)]
        if said:
            said[-1].held = ""  # the reply has what comes after it
            if self._known.runs and (begins := reply.rfind(f"\n\n{tails[-1]}")) >= 0:
                reply = reply[begins + 2 :]  # what comes before it stands in the message that the reader goes on with
        if not reply or reply in tails:
            return frames
        heard = max((tail for tail in tails if reply.startswith(tail)), key=len, default="")
        if heard:
            return frames + self._words(said[-1], reply[len(heard) :])
        if any(tail and _alike(tail, reply) for tail in tails):
            return frames
        frames += self._end_texts()
        run = _Said(turn.agent, turn.turn_id)
        return frames + self._words(run, reply) + self._end_text(run)


def _until(turn: Turn, known: int) -> Sequence[RunRecord]:
    """The first so many runs of the turn's own agents, and those of agents that were asked meanwhile."""
    unknown = turn.own_runs[known:]
    return turn.runs[: turn.runs.index(unknown[0])] if unknown else turn.runs


def _joined(runs: Iterable[_Said]) -> str:
    return "\n\n".join(run.text for run in runs)


def _alike(one: str, other: str) -> bool:
    """Whether they are the same but for characters that no row can hold."""
    return _UNCOMPARED.sub("", one) == _UNCOMPARED.sub("", other)
