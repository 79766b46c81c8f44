"""The default brain's team, and how messages script several agents and steps."""

import json
from dataclasses import replace
from typing import Any

import pytest

from dev.emulator.brain.directed import follow_directives
from dev.emulator.brain.plan import Called, Plan, Prompt, Said, ToolCall, ToolOutput
from dev.emulator.brain.team import play

ASKED = "Write a script about a lighthouse and describe its scenes"
INSTRUCTIONS = {
    "orchestrator": "You are the project manager of a small studio that makes short videos.\n\n- A script is his work.",
    "script_writer": "You write scripts for short videos: dialogue, voice-over and story outlines.",
    "scene_describer": "You describe scenes so that somebody who reads them can see and hear them.",
    "image_prompt_writer": "You turn scenes and ideas into prompts for text-to-image models.",
}
HANDOFFS = {
    "orchestrator": ("script_writer", "image_prompt_writer", "scene_describer"),
    "script_writer": ("orchestrator", "scene_describer"),
    "scene_describer": ("orchestrator", "image_prompt_writer"),
    "image_prompt_writer": ("orchestrator", "scene_describer"),
}


def team(text: str, *, project: bool = True, told: bool = False) -> tuple[list[str], list[str]]:
    """Who spoke or called what, in order, and what was said; as the function would drive it."""
    agent, said, log = "orchestrator", [], []
    since: tuple[Said | Called, ...] = ()
    for _ in range(20):
        tools = {f"transfer_to_{each}" for each in HANDOFFS[agent]} | (
            {"read_project", "write_project"} & {*PROJECT} if project else set()
        )
        schemas = {name: TRANSFER if name.startswith("transfer") else PROJECT[name] for name in tools}
        plan = play(
            Prompt(text, 1, instructions=INSTRUCTIONS[agent], tools=frozenset(tools), since=since, schemas=schemas)
        )
        if plan.text:
            log.append(agent)
            said.append(plan.text)
            since += (Said(plan.text),)
        if not plan.calls:
            return log, said
        [call] = plan.calls
        log.append(call.name)
        arguments = json.loads(call.arguments)
        if call.name.startswith("transfer_to_"):
            handed = call.name.removeprefix("transfer_to_")
            if told:
                since += (Said(f"Handoff from {agent} to {handed}: why\n\nTask: {arguments['task']}"),)
            else:
                since += (Called(call.name, call.arguments, "{}"),)
            agent = handed
        else:
            since += (Called(call.name, call.arguments, "{}"),)
    raise AssertionError(f"it never ends: {log}")


TRANSFER: dict[str, Any] = {
    "type": "object",
    "properties": {"reason": {"type": "string"}, "task": {"type": "string"}},
    "required": ["reason", "task"],
}
PROJECT: dict[str, Any] = {
    "read_project": {"type": "object", "properties": {}},
    "write_project": {"type": "object", "properties": {"title": {}, "script": {}, "scenes": {"type": "array"}}},
}


@pytest.mark.parametrize("told", [False, True])
def test_a_script_and_its_scenes(told: bool) -> None:
    log, said = team(ASKED, told=told)
    assert log == [
        "transfer_to_script_writer",
        "script_writer",
        "write_project",
        "transfer_to_scene_describer",
        "read_project",
        "write_project",
        "scene_describer",
    ]
    assert said[0].startswith("Emulated script: a lighthouse, in two scenes.")
    assert said[1].startswith("Emulated scenes: a lighthouse, shot by shot.")


def test_who_is_alone_speaks_last() -> None:
    log, said = team("Write a script about rain")
    assert log == ["transfer_to_script_writer", "write_project", "script_writer"]
    assert said[-1].startswith("Emulated script: rain")


def test_without_a_project_a_script_is_said_and_handed_on_at_once() -> None:
    log, _ = team(ASKED, project=False)
    assert log == ["transfer_to_script_writer", "script_writer", "transfer_to_scene_describer", "scene_describer"]


def test_image_prompts_come_last() -> None:
    log, said = team(f"{ASKED} and write image prompts", project=False)
    assert log[-2:] == ["transfer_to_image_prompt_writer", "image_prompt_writer"]
    assert said[-1].startswith("Emulated image prompts: a lighthouse")


def test_who_cannot_hand_on_goes_back() -> None:
    log, _ = team("Write a script about rain and make image prompts", project=False)
    assert log == [
        "transfer_to_script_writer",
        "script_writer",
        "transfer_to_orchestrator",
        "transfer_to_image_prompt_writer",
        "image_prompt_writer",
    ]


def test_agents_may_be_asked_as_tools() -> None:
    schemas = {"ask_script_writer": {"properties": {"prompt": {"type": "string"}}, "required": ["prompt"]}}
    prompt = Prompt("Write a script about rain", 1, tools=frozenset(schemas), schemas=schemas)
    [call] = play(prompt).calls
    assert (call.name, json.loads(call.arguments)) == ("ask_script_writer", {"prompt": "Write the script about rain."})
    after = replace(prompt, since=(Called(call.name, call.arguments, "Emulated script: rain"),))
    assert play(after).text == "Emulated project manager: done with script writer about rain."


def test_a_handoff_that_is_refused_ends() -> None:
    refused = Called("transfer_to_script_writer", "{}", '{"error": {"code": "too_many_handoffs"}}')
    prompt = Prompt(
        ASKED, 1, instructions=INSTRUCTIONS["orchestrator"], tools=frozenset({refused.name}), since=(refused,)
    )
    assert play(prompt).text == "Emulated project manager: done with nothing about a lighthouse."


@pytest.mark.parametrize(
    "prompt",
    [
        Prompt("Hello", 1, tools=frozenset({"transfer_to_script_writer"})),
        Prompt(ASKED, 1),
        Prompt(ASKED, 1, tools=frozenset({"look"})),
        Prompt(f"{ASKED} [[slow 1]]", 1, tools=frozenset({"transfer_to_script_writer"})),
    ],
)
def test_every_other_message_is_answered_as_ever(prompt: Prompt) -> None:
    assert play(prompt) == follow_directives(prompt)


# --- scripted chains --------------------------------------------------------------------------------------------------


def call(name: str, **arguments: Any) -> str:
    return f"[[tool {name} {json.dumps(arguments)}]]"


def test_steps_follow_one_another() -> None:
    text = f"[[aside Let me see.]] {call('a', n=1)} {call('b')} [[then]] {call('c')} go [[more And so on.]]"
    prompt = Prompt(text, 1)
    first = play(prompt)
    assert (first.text, first.calls) == ("Let me see.", (ToolCall("a", '{"n": 1}'), ToolCall("b", "{}")))
    since = (Said("Let me see."), Called("a", "{}", "1"), Called("b", "{}", "2"))
    second = play(replace(prompt, since=since))
    assert (second.text, second.calls) == ("", (ToolCall("c", "{}"),))
    outputs = (ToolOutput("a", "1"), ToolOutput("b", "2"), ToolOutput("c", "3"))
    third = play(replace(prompt, since=(*since, Called("c", "{}", "3")), outputs=outputs))
    assert (third.text, third.more) == ("Emulated reply 1 to: go (a -> 1; b -> 2; c -> 3)", ("And so on.",))


@pytest.mark.parametrize("told", [False, True])
def test_a_task_with_directives_is_the_next_agents_message(told: bool) -> None:
    back = call("transfer_to_a", reason="r", task="[[say back]]")
    text = call("transfer_to_b", reason="r", task=f"{back} over")
    [first] = play(Prompt(text, 1, tools=frozenset({"transfer_to_b"}))).calls
    assert first.name == "transfer_to_b"
    # B, which is not offered itself.
    task = json.loads(first.arguments)["task"]
    handed = Said(f"Handoff from a to b: r\n\nTask: {task}") if told else Called(first.name, first.arguments, "{}")
    [second] = play(Prompt(text, 1, tools=frozenset({"transfer_to_a"}), since=(handed,), called=True)).calls
    assert second == ToolCall("transfer_to_a", json.dumps({"reason": "r", "task": "[[say back]]"}))
    # A again.
    since = (handed, Called(second.name, second.arguments, "{}"))
    assert play(Prompt(text, 1, tools=frozenset({"transfer_to_b"}), since=since)).text == "back"


def test_a_chain_is_handed_from_one_to_the_next() -> None:
    since: tuple[Called, ...] = ()
    for number, (here, there) in enumerate([("a", "b"), ("b", "a"), ("a", "b")]):
        tools = frozenset({f"transfer_to_{there}"})
        [made] = play(Prompt("[[chain b a b]] hi", 1, tools=tools, since=since, called=number > 0)).calls
        assert made.name == f"transfer_to_{there}", here
        since += (Called(made.name, made.arguments, "{}"),)
    last = Prompt("[[chain b a b]] hi", 1, tools=frozenset({"transfer_to_a"}), since=since, called=True)
    assert play(last).text == "Emulated reply 1 to: hi"
    refused = Called("transfer_to_a", "{}", '{"error": "no"}')
    other = Prompt("[[chain a]] hi", 1, tools=frozenset({"transfer_to_a"}), since=(refused,), called=True)
    assert play(other).text == "Emulated reply 1 to: hi"


def test_who_has_handed_over_says_nothing_more() -> None:
    """Where outputs continue a run, it goes on once its handoff is answered."""
    made = Called("transfer_to_script_writer", '{"task": "[[say b]]"}', '{"note": "ends now"}')
    for text in (ASKED, call(made.name, task="[[say b]]")):
        prompt = Prompt(text, 1, instructions=INSTRUCTIONS["orchestrator"], tools=frozenset({made.name}), since=(made,))
        assert play(prompt) == Plan()


def test_scenes_are_saved_as_the_tool_takes_them() -> None:
    scene = {"type": "object", "properties": {"title": {}, "description": {}}, "required": ["description"]}
    schemas = {"write_project": {"properties": {"scenes": {"type": "array", "items": scene}}}}
    instructions = INSTRUCTIONS["scene_describer"]
    prompt = Prompt("Describe the scenes", 1, instructions=instructions, tools=frozenset(schemas), schemas=schemas)
    [made] = play(prompt).calls
    assert [list(each) for each in json.loads(made.arguments)["scenes"]] == [["description"]] * 2


def test_a_task_that_was_not_handed_over_belongs_to_no_agent() -> None:
    text = call("transfer_to_b", task="[[say b]]") + " hi"
    refused = Called("transfer_to_b", json.dumps({"task": "[[say b]]"}), '{"error": "no"}')
    prompt = Prompt(text, 1, tools=frozenset({"transfer_to_b"}), since=(refused,), outputs=(ToolOutput("t", "no"),))
    assert play(prompt).text == "Emulated reply 1 to: hi (t -> no)"
