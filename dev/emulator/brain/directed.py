"""The deterministic model: a pure function from what a run sees to what it will do.

Anything with the signature of `Brain` can take its place, a script for a whole team of agents for example.
"""

import json
from dataclasses import replace
from typing import Final

from dev.emulator.brain.directives import CALLS, Directive, read_directives, steps_of
from dev.emulator.brain.plan import Called, Outcome, Plan, Prompt, Said, ToolCall, ToolOutput, read_object

"""Most pieces a reply is streamed in."""


HANDOFF: Final = "transfer_to_"
TOLD: Final = "Handoff from "
"""How a message begins that tells of a handoff where the history shows no calls; behind "Task: " stands the task."""


def follow_directives(prompt: Prompt) -> Plan:
    """What a message says in directives is done, else it is echoed.

    Tool calls come first, one step between one `[[then]]` and the next, and each once a message; the other directives
    say how the answer after them goes. Directives in the task of a handoff are followed by the agent that was brought
    in, in place of those of the user's message; `[[chain b a b]]` is handed from one to the next. Who has handed over
    says nothing more.
    """
    if handed_over(prompt):
        return Plan()
    prompt = at_task(prompt)
    directives, said = read_directives(prompt.text)
    ignore_cancel = _seconds(directives, "ignore-cancel") or 0
    step = _next_step(steps_of(directives), _calls_made(prompt))
    if step:
        calls = tuple(_call(each) for each in step if each.name in CALLS)
        aside = next((each.argument for each in step if each.name == "aside"), "")
        return Plan(text=aside, calls=calls, ignore_cancel_seconds=ignore_cancel)
    chain = next((each.argument.split() for each in directives if each.name == "chain"), [])
    if chain and not _calls_made(prompt):
        task = {"reason": "It is the next in the chain.", "task": f"[[chain {' '.join(chain[1:])}]] {said}"}
        call = ToolCall(HANDOFF + chain[0], json.dumps(task, ensure_ascii=False))
        return Plan(text=f"Emulated step on the way to {chain[0]}.", calls=(call,))
    failure = next((each.argument for each in directives if each.name == "fail"), "")
    return Plan(
        text=_reply(prompt, directives, said),
        more=tuple(each.argument for each in directives if each.name == "more"),
        outcome=_outcome(directives),
        work_seconds=_seconds(directives, "slow"),
        ignore_cancel_seconds=ignore_cancel,
        citations=tuple(_citation(each.argument) for each in directives if each.name == "cite"),
        images=_drawn(prompt, directives, said),
        error_code={"": "server_error", "rate_limit": "rate_limit_exceeded"}.get(failure, failure),
    )


def handed_over(prompt: Prompt) -> bool:
    """Whether who is asked has handed over: its run goes on where outputs continue a run, and has nothing to add."""
    for event in reversed(prompt.since):
        if isinstance(event, Said) and event.text.startswith(TOLD):
            return False
        if isinstance(event, Called) and event.name.startswith(HANDOFF):
            return not event.failed and event.name in prompt.tools
    return False


def at_task(prompt: Prompt) -> Prompt:
    """The prompt as the agent reads it that was handed a task with directives in it: the task is its message."""
    for at in range(len(prompt.since) - 1, -1, -1):
        task = _task(prompt.since[at], prompt.tools)
        if task is not None:
            if not read_directives(task)[0]:
                return prompt
            since = prompt.since[at + 1 :]
            calls = [each for each in since if isinstance(each, Called)]
            outputs = tuple(ToolOutput(each.name, each.output) for each in calls if each.output is not None)
            return replace(prompt, text=task, since=since, outputs=outputs, called=bool(calls))
    return prompt


def _task(event: Said | Called, offered: frozenset[str]) -> str | None:
    """The task of a handoff that has taken place: who is offered it still has not gone anywhere."""
    if isinstance(event, Said):
        return event.text.partition("Task: ")[2] if event.text.startswith(TOLD) else None
    if not event.name.startswith(HANDOFF) or event.name in offered or event.failed:
        return None
    return str(read_object(event.arguments).get("task", ""))


def _calls_made(prompt: Prompt) -> int:
    return sum(isinstance(each, Called) for each in prompt.since) or len(prompt.outputs) or int(prompt.called)


def _next_step(steps: list[tuple[Directive, ...]], made: int) -> tuple[Directive, ...]:
    """The first step whose calls are still to be made; a step that was begun is over."""
    for step in steps:
        if made <= 0:
            return step
        made -= sum(each.name in CALLS for each in step)
    return ()


def _reply(prompt: Prompt, directives: tuple[Directive, ...], said: str) -> str:
    exact = next((each.argument for each in directives if each.name == "say"), None)
    if exact is not None:
        return exact
    reply = f"Emulated reply {prompt.user_messages} to: {said}"
    if prompt.outputs:
        reply += " (" + "; ".join(f"{each.name} -> {each.output}" for each in prompt.outputs) + ")"
    if any(each.name == "who" for each in directives):
        reply += (
            f" [model {prompt.model}; instructions: {prompt.instructions}; tools: {', '.join(sorted(prompt.tools))}]"
        )
    return reply


def _call(directive: Directive) -> ToolCall:
    """`[[tool name {...}]]`, or `[[mcp label.name {...}]]` for the call of an MCP server."""
    if directive.name == "tool":
        return ToolCall(directive.argument, directive.json_argument)
    label, _, name = directive.argument.partition(".")
    return ToolCall(name, directive.json_argument, server=label)


def _citation(argument: str) -> dict[str, object]:
    """`[[cite https://... a title]]`, or `[[cite file-id a name]]`, as the vendor annotates words."""
    named, _, title = argument.partition(" ")
    if "://" in named:
        return {"type": "url_citation", "url": named, "title": title, "start_index": 0, "end_index": 1}
    return {"type": "file_citation", "file_id": named, "filename": title, "index": 0}


def _drawn(prompt: Prompt, directives: tuple[Directive, ...], said: str) -> tuple[str, ...]:
    """`[[image a red fox]]` draws one; a model that may draw does so from every message."""
    named = tuple(each.argument for each in directives if each.name == "image")
    return named or ((said,) if "image_generation" in prompt.hosted and said else ())


def _outcome(directives: tuple[Directive, ...]) -> Outcome:
    names = {each.name for each in directives}
    return next((each for each in Outcome if each.value in names), Outcome.COMPLETE)


def _seconds(directives: tuple[Directive, ...], name: str) -> float | None:
    argument = next((each.argument for each in directives if each.name == name), None)
    if argument is None:
        return None
    try:
        return max(0.0, float(argument))
    except ValueError:
        return 1.0
