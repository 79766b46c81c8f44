"""The default brain plays a small team that makes an illustrated story, where a team's tools are offered.

It knows its part only from what a model sees: instructions, tools, the message, what was said and called since. What it
writes is the same for the same subject, and says what wrote it. Every other message is answered as directives say.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from dev.emulator.brain.directed import HANDOFF, TOLD, follow_directives, handed_over
from dev.emulator.brain.directives import read_directives
from dev.emulator.brain.plan import Called, Plan, Prompt, Said, ToolCall, read_object

ASK: Final = "ask_"
READ: Final = "read_project"
WRITE: Final = "write_project"


class Part(StrEnum):
    """Who one is, by slug."""

    MANAGER = "orchestrator"
    SCRIPT = "script_writer"
    SCENES = "scene_describer"
    PROMPTS = "image_prompt_writer"


_INSTRUCTIONS: Final = (
    (Part.MANAGER, re.compile(r"\bproject manager\b", re.IGNORECASE)),
    (Part.SCRIPT, re.compile(r"\byou write scripts?\b", re.IGNORECASE)),
    (Part.PROMPTS, re.compile(r"\byou turn .{0,80}\binto prompts?\b|\bimage prompts? writer\b", re.IGNORECASE)),
    (Part.SCENES, re.compile(r"\byou describe scenes?\b", re.IGNORECASE)),
)
_WANTED: Final = (
    (Part.SCRIPT, re.compile(r"\bscripts?\b", re.IGNORECASE)),
    (Part.SCENES, re.compile(r"\bscenes?\b", re.IGNORECASE)),
    (Part.PROMPTS, re.compile(r"\bimage prompts?\b", re.IGNORECASE)),
)
_ASKS: Final = re.compile(r"\b(?:write|make|create|draft|describe|prepare|need|want)\b", re.IGNORECASE)
_SUBJECT: Final = re.compile(r"\babout (.+?)(?= and (?:describe|write|make|then)\b|[.,;:!?\n]|$)", re.IGNORECASE)
_WORK: Final = {
    Part.SCRIPT: "Write the script about {subject}.",
    Part.SCENES: "Describe the scenes of the script about {subject}.",
    Part.PROMPTS: "Write one image prompt for each scene about {subject}.",
}
_HEADS: Final = {
    Part.SCRIPT: "Emulated script:",
    Part.SCENES: "Emulated scenes:",
    Part.PROMPTS: "Emulated image prompts:",
}


def play(prompt: Prompt) -> Plan:
    """A team's work where one is offered and asked for, else `follow_directives`."""
    if handed_over(prompt):
        return Plan()
    wanted = tuple(part for part, word in _WANTED if word.search(prompt.text))
    directed = any(read_directives(text)[0] for text in (prompt.text, *_tasks(prompt)))
    offered = any(name.startswith((HANDOFF, ASK)) or name in (READ, WRITE) for name in prompt.tools)
    if not offered or directed or not wanted or not _ASKS.search(prompt.text):
        return follow_directives(prompt)
    part = _part(prompt)
    return follow_directives(prompt) if part is None else _Player(prompt, part, wanted).plan()


def _part(prompt: Prompt) -> Part | None:
    """By the first of its instructions that says so; the one who can bring in a script writer manages."""
    for line in prompt.instructions.splitlines():
        for part, words in _INSTRUCTIONS:
            if words.search(line):
                return part
    return Part.MANAGER if {HANDOFF + Part.SCRIPT, ASK + Part.SCRIPT} & prompt.tools else None


def _tasks(prompt: Prompt) -> list[str]:
    """What was handed over since the message."""
    calls = [each for each in prompt.since if isinstance(each, Called) and each.name.startswith(HANDOFF)]
    return [str(read_object(each.arguments).get("task", "")) for each in calls] + [
        each.text for each in prompt.since if isinstance(each, Said) and each.text.startswith(TOLD)
    ]


@dataclass(frozen=True, slots=True)
class _Player:
    """One step of one member of the team."""

    prompt: Prompt
    part: Part
    wanted: tuple[Part, ...]

    def plan(self) -> Plan:
        return self._manage() if self.part is Part.MANAGER else self._work()

    def _manage(self) -> Plan:
        for part in self.wanted:
            if not self._done(part) and (call := self._bring_in(part)) is not None:
                return Plan(calls=(call,))
        done = [part.replace("_", " ") for part in self.wanted if self._done(part)]
        return Plan(text=f"Emulated project manager: done with {', '.join(done) or 'nothing'} about {self._subject}.")

    def _work(self) -> Plan:
        if self._said(self.part):
            # Said before a call of its own; what is left is to go on.
            going_on = self._next()
            return Plan(calls=(going_on,)) if going_on else Plan(text=f"Emulated {self._name}: that is all.")
        if self.part is not Part.SCRIPT and READ in self.prompt.tools and not self._called_here(READ):
            return Plan(calls=(self._call(READ),))
        following = self._next()
        if self.part is not Part.PROMPTS and WRITE in self.prompt.tools and not self._called_here(WRITE):
            # Who is the last one speaks last, so that the reply is the work.
            return Plan(text=self._text() if following else "", calls=(self._save(),))
        return Plan(text=self._text(), calls=(following,) if following else ())

    def _save(self) -> ToolCall:
        if self.part is Part.SCRIPT:
            return self._call(WRITE, title=self._subject, script=self._text())
        return self._call(WRITE, scenes=self._text().splitlines()[1:])

    def _next(self) -> ToolCall | None:
        """On to who is needed next, or back to the one who knows who that is."""
        left = [part for part in self.wanted if part is not self.part and not self._said(part)]
        if not left:
            return None
        direct = next((call for part in left[:1] if (call := self._hand_over(part)) is not None), None)
        return direct or self._hand_over(Part.MANAGER)

    def _bring_in(self, part: Part) -> ToolCall | None:
        if (call := self._hand_over(part)) is not None:
            return call
        name = ASK + part
        if name not in self.prompt.tools or self._called(name):
            return None
        return self._call(name, message=self._task(part))

    def _hand_over(self, part: Part) -> ToolCall | None:
        """None where that is not offered, or was tried from here and did not take place."""
        name = HANDOFF + part
        if name not in self.prompt.tools or self._called(name):
            return None
        return self._call(name, reason=f"This is the {part.replace('_', ' ')}'s work.", task=self._task(part))

    def _call(self, name: str, **known: Any) -> ToolCall:
        return ToolCall(name, _arguments(self.prompt.schemas.get(name, {}), known))

    def _task(self, part: Part) -> str:
        return _WORK.get(part, "Go on with the work about {subject}.").format(subject=self._subject)

    def _done(self, part: Part) -> bool:
        return self._said(part) or self._called(ASK + part)

    def _said(self, part: Part) -> bool:
        """Whether that part's work stands in what was said since the message."""
        said = [each.text for each in self.prompt.since if isinstance(each, Said)]
        return any(_HEADS.get(part, "\0") in text for text in said)

    def _called(self, name: str) -> bool:
        return any(isinstance(each, Called) and each.name == name for each in self.prompt.since)

    def _called_here(self, name: str) -> bool:
        """Since the last handoff: the project is everybody's."""
        for event in reversed(self.prompt.since):
            if isinstance(event, Called) and event.name == name:
                return True
            if isinstance(event, Called) and event.name.startswith(HANDOFF):
                return False
            if isinstance(event, Said) and event.text.startswith(TOLD):
                return False
        return False

    @property
    def _name(self) -> str:
        return self.part.replace("_", " ")

    @property
    def _subject(self) -> str:
        found = _SUBJECT.search(self.prompt.text)
        return found[1].strip() if found else "this"

    def _text(self) -> str:
        subject = self._subject
        lines = {
            Part.SCRIPT: (
                f"{subject}, in two scenes.\n1. MORNING, A SMALL ROOM. Somebody thinks of {subject}.\n"
                "NARRATOR: It begins.\n"
                f"2. EVENING, THE SAME ROOM. {subject} is there.\nNARRATOR: It ends with a picture."
            ),
            Part.SCENES: (
                f"{subject}, shot by shot.\n1. Wide, still: a small room in grey light; rain on glass.\n"
                f"2. Close, slowly nearer: {subject} in warm light; the rain has stopped."
            ),
            Part.PROMPTS: (
                f"{subject}, one a scene.\n1. A small room at dawn, wide shot, grey light, rain, watercolor.\n"
                f"2. {subject}, close-up, warm evening light, watercolor."
            ),
        }
        return f"{_HEADS[self.part]} {lines[self.part]}"


def _arguments(schema: Mapping[str, Any], known: Mapping[str, Any]) -> str:
    """What is known, as far as the tool takes it, and a value of the right type for each other required field."""
    properties = schema.get("properties")
    required = schema.get("required") or []
    if not isinstance(properties, Mapping):
        return json.dumps(dict(known), ensure_ascii=False)
    filled: dict[str, Any] = {key: _shaped(v, properties[key]) for key, v in known.items() if key in properties}
    rest = [value for key, value in known.items() if key not in properties]
    for name in required:
        kind = properties.get(name, {}).get("type")
        if name not in filled:
            text = rest.pop(0) if rest and kind in ("string", None) else "emulated"
            filled[name] = {"array": [], "object": {}, "integer": 1, "number": 1, "boolean": True}.get(kind, text)
    return json.dumps(filled, ensure_ascii=False)


def _shaped(value: Any, schema: Any) -> Any:
    """A list of texts as what the schema takes for each: a text, or an object that holds it."""
    items = schema.get("items") if isinstance(schema, Mapping) else None
    if not isinstance(value, list) or not isinstance(items, Mapping) or items.get("type") != "object":
        return value
    names = [*(items.get("required") or items.get("properties") or ())]
    return [dict.fromkeys(names, text) for text in value]
