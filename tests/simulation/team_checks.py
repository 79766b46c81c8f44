"""The checker's part about turns that several agents answer: tools, questions, handoffs."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from shared.core.tool_messages import OUTCOME_UNKNOWN, is_error
from tests.simulation.database import Row
from tests.simulation.record import Record, name_of
from tests.simulation.run_checks import beyond
from tests.simulation.servers import answer_to, part_of
from tests.simulation.team import APPROVALS, BOSS, ONCE, PAINTER, POST, SINGER, WHERE, WORDS, WRITER, well_told

NOTE = "\n\n[Made an image"  # what is told behind an asked agent's words of what it has drawn
HANDOFF_LINE = ("assistant", WORDS)


def tools_run_once(record: Record) -> Iterator[str]:
    """G10: what must not run twice did not, and where it is unknown whether it ran the ledger says so."""
    executions = record.world.server.executions
    for (turn_id, call_id), call in record.ledger.items():
        ran = executions[turn_id, call_id]
        # a create that its sender had given up brings the word once more: the call is the provider's
        late = call["name"] == POST and any(map(beyond, record.runs[turn_id]))
        if call["name"] in ONCE and ran > 1 and not late:
            yield f"G10 {call['name']} {call_id} ran {ran} times"
        if call["status"] != "done" or call["name"].startswith("ask_") or call["name"] in ("look_up", WHERE):
            continue
        if is_error(call["output"]):
            code = json.loads(call["output"])["error"]["code"]
            if code == "outcome_unknown" and call["name"] not in ONCE:
                yield f"G10 the outcome of {call['name']} {call_id} is said to be unknown, and it may run again"
            if code == "outcome_unknown" and not record.world.mode_fails and turn_id not in record.world.cancels:
                yield f"G10 the outcome of {call['name']} {call_id} is said to be unknown, and nothing failed"
        elif ran == 0 and (call["name"] != POST or record.by_id[turn_id]["status"] == "completed"):
            yield f"G10 {call['name']} {call_id} has an output and never ran"
    for turn_id, call_id in executions:
        if (turn_id, call_id) not in record.ledger and turn_id in record.by_id:
            yield f"G10 {call_id} of {turn_id} ran and is on no record"


def told_what_happened(record: Record) -> Iterator[str]:
    """G10: each call is answered once, with what is on record; none that ran is told to have been left undone."""
    executions = record.world.server.executions
    told: dict[tuple[str, str], set[tuple[str, str | None]]] = defaultdict(set)
    for run in record.world.server.runs.values():
        outputs = [(str(item.call_id), item.text) for item in run.read if item.role == "output"]
        outputs += [(given.call_id, given.output) for given in run.given]
        locked = record.world.server.locks  # else a lost run may bring them as well
        if len(outputs) != len({call_id for call_id, _ in outputs}) and locked:
            yield f"G10 {run.run_id} read an output twice"
        for call_id, output in outputs:
            told[run.place_id, call_id].add((output, run.create.turn_id if run.create is not None else None))
    for caller in record.world.server.runs.values():
        if caller.create is None or caller.create.turn_id in record.world.changes.deleted_turns:
            continue  # what was on record is gone
        turn_id = caller.create.turn_id
        for call in caller.asked_for:
            key = call.call_id
            if caller.asked:
                key = f"{caller.create.run_key.split('.')[2]}/{caller.run_id}/{key}"
            row = record.ledger.get((turn_id, key))
            for output, reader in told[caller.place_id, call.call_id]:
                followed = caller.run_id in {run["run_id"] for run in record.by_id[turn_id]["runs"]}
                moved = call.name.startswith("transfer_to_") and record.by_id[turn_id]["handoffs"]
                if output == OUTCOME_UNKNOWN and followed and moved:
                    yield f"G10 {call.name} {key} was made, and was told to be unknown"
                if output == OUTCOME_UNKNOWN and (row is None or reader != turn_id):
                    continue  # of a run that was not followed, or by a later turn
                if "not_run" in output and executions[turn_id, key]:
                    yield f"G10 {call.name} {key} ran and was told to have been left undone"
                    continue
                if row is not None and row["output"] != output:
                    yield f"G10 {call.name} {key} was answered {output!r}, on record is {row['output']!r}"
                if row is None and (call.name in ONCE or call.name.startswith("ask_")):
                    yield f"G10 {call.name} {key} was answered {output!r} and is not on record"
                words = output.partition(NOTE)[0]  # what its user is shown beside them, drawn_checks look at
                if record.world.provider_works and not well_told(call.name, call.arguments, words):
                    yield f"G10 {call.name} {key} was answered {output!r}"


def people_decide(record: Record) -> Iterator[str]:
    """G10: what needs a person's word ran where the person gave it, once; what was said counts once, and stands."""
    world = record.world
    asked = {(row["turn_id"], row["call_id"]): row for row in world.database.person_calls()}
    for key, row in asked.items():
        said, perhaps = world.said.get(key, []), world.perhaps.get(key, [])
        what = f"{row['name']} {key[1]} of {key[0]}, {row['status']},"
        if len(said) > 1:
            yield f"G10 {what} took {len(said)} answers"
        if row["status"] == "approved" and True not in said + perhaps:
            yield f"G10 {what} was allowed by no person"
        if said == [True] and row["status"] != "approved":
            yield f"G10 {what} was allowed"
        words = [one for one in said if isinstance(one, str)]
        answer = record.ledger.get(key, {}).get("output")
        if words and (row["status"] != "answered" or answer != words[0]):
            yield f"G10 {what} was answered {words[0]!r}, on record is {answer!r}"
        if row["status"] == "answered" and answer not in said + perhaps:
            yield f"G10 {what} was answered by no person: {answer!r}"
        if row["status"] == "waiting" and record.by_id[key[0]]["finished"] is not None:
            yield f"G10 {what} waits, and its turn is over"
    if world.profile.asks_people or world.profile.posts:
        needed = frozenset(name for names in APPROVALS.values() for name in names) | {POST}
        for turn_id, call_id in world.server.executions:
            row = record.ledger.get((turn_id, call_id), {})
            ours = row.get("name") in needed and "/" not in call_id  # those of asked agents need no word
            if ours and asked.get((turn_id, call_id), {}).get("status") != "approved":
                yield f"G10 {row['name']} {call_id} of {turn_id} ran without its user's word"


def server_outputs_are_kept(record: Record) -> Iterator[str]:
    """What an MCP server gave stands in the record of the run that called it."""
    for turn_id, runs in record.runs.items():
        if turn_id not in record.by_id:
            continue  # deleted, with its conversation
        shown = {run["run_id"]: run.get("server_outputs", {}) for run in record.by_id[turn_id]["runs"]}
        for run in runs:
            made = {given.call_id: given.output for given in run.server_outputs}
            if run.status == "completed" and run.run_id in shown and shown[run.run_id] != made:
                yield f"{run.run_id} is recorded with {shown[run.run_id]} of its servers, which gave {made}"


def handed_over_once(record: Record) -> Iterator[str]:
    """The handoffs on record are those that happened, in order, and every run is of the agent whose turn it was."""
    for turn in record.turns:
        if turn["joined_to"] is not None:
            continue
        made = [(one["from"], one["to"]) for one in turn["handoffs"]]
        runs = sorted(record.runs[turn["turn_id"]], key=lambda run: run.started_at)
        if any(map(beyond, runs)):
            continue
        agents = [run.agent for run in runs]
        if made not in ([], [(BOSS, WRITER)]):
            yield f"{name_of(turn)} was handed over {made}"
        named = record.addressed(turn)
        began = runs[0].agent if runs else named
        if named is not None and began != named:
            yield f"{name_of(turn)} was sent to {named}, its first run is of {began}"
        if turn["status"] == "completed" and (made != []) != (began == BOSS):
            yield f"{name_of(turn)}, sent to {began}, was handed over {made}"
        if began == BOSS and WRITER in agents and not made:
            yield f"{name_of(turn)} was answered by {agents} without a handoff on record"
        if agents != sorted(agents, key=lambda agent: agent == WRITER):
            yield f"{name_of(turn)} was answered by {agents}"
        if began == BOSS and turn["status"] == "completed" and {turn["agent"], *agents[-1:]} != {WRITER}:
            yield f"{name_of(turn)} is of {turn['agent']}, its last run of {agents[-1:]}"
        shown = [run["agent"] for run in turn["runs"] if "asked_by" not in run and run["agent"] in (BOSS, WRITER)]
        if shown != sorted(shown, key=lambda agent: agent == WRITER):
            yield f"{name_of(turn)} shows runs of {shown}"
        if began == BOSS and turn["status"] == "completed" and not {BOSS, WRITER} <= set(shown):
            yield f"{name_of(turn)} shows runs of {shown} only"


def active_agent(record: Record) -> Iterator[str]:
    """Who answered last answers next, or who had control when the last turn was stopped."""
    active = record.world.database.active_agents()
    for place, turns in record.conversations.items():
        leads = [turn for turn in turns if turn["joined_to"] is None and turn["turn_id"] not in record.replaced_at]
        done = [turn for turn in leads if turn["status"] == "completed" or _moved(turn)]
        done.sort(key=lambda turn: turn["finished"])
        before: str | None = None
        for turn in done:
            named = record.addressed(turn)
            if turn["status"] == "completed" and named is None and before not in (None, turn["agent"]):
                yield f"{name_of(turn)} was answered by {turn['agent']}, {before} was active"
            before = turn["agent"]
        if before is not None and active[place] != before:
            yield f"{active[place]} is active in {place}, the last answer was of {before}"


def _moved(turn: dict[str, Any]) -> bool:
    return bool(turn["status"] == "cancelled" and turn["handoffs"] and turn["superseded_how"] != "rollback")


def nobody_left_waiting(record: Record) -> Iterator[str]:
    """G5: no run of a turn was left to wait for outputs until the provider gave it up."""
    for runs in record.runs.values():
        for run in runs:
            # where a cancel does not get through, the thread is given up with its run
            gone = not record.world.provider_works or record.world.server.places[run.place_id].gone
            gone = gone or (run.create is not None and run.create.turn_id in record.replaced_at)
            left = run.status == "expired" and run.calls and not run.ignores_cancel and not gone
            if left and not beyond(run) and run.create is not None and run.create.fate == "heard":
                yield f"G5 {run.run_id} expired in requires_action"


def scratch_is_tidied(record: Record) -> Iterator[str]:
    """Threads of asked agents are gone once their turn is over, and not before; what is on no record is empty."""
    if not record.world.profile.team:
        return
    for place in record.world.server.places.values():
        runs = record.world.server.of(place.place_id)
        # a run that ignores its cancel keeps its thread until a call of the schedule after its end
        if place.scratch and not place.deleted and not any(beyond(run) or run.ignores_cancel for run in runs):
            yield f"{place.place_id} of an asked agent is still there"
    if left := record.world.database.scratch_left():
        yield f"{left} scratch threads are still on record"


def asked_are_shown(record: Record) -> Iterator[str]:
    """Where no provider fails, an answer shows the runs of those who were asked."""
    for turn in record.turns:
        leads = turn["joined_to"] is None
        if turn["status"] != "completed" or not (leads and turn["handoffs"]) or not record.world.provider_works:
            continue
        shown = sorted(run["agent"] for run in turn["runs"] if "asked_by" in run)
        if set(shown) != {PAINTER, SINGER}:
            yield f"{name_of(turn)} shows runs of {shown} as asked"


def lines_of_a_chain(turn: Row, record: Record) -> list[list[tuple[str, str]]]:
    """What the transcript may show of a turn that was handed over."""
    asked, whole = ("user", turn["text"]), record.whole_text(turn)
    if turn["status"] == "completed":
        return [[asked, HANDOFF_LINE, ("assistant", answer_to(whole))]]
    if turn["superseded_how"] == "rollback":
        return [[]]
    partial = (turn["error"] or {}).get("partial_text")
    if partial is None:
        return [[asked, HANDOFF_LINE]]
    return [[asked, HANDOFF_LINE, ("assistant", partial)]] if partial in (part_of(whole), answer_to(whole)) else []


TEAM_CHECKS: tuple[Callable[[Record], Iterable[str]], ...] = (
    tools_run_once, told_what_happened, people_decide, server_outputs_are_kept, handed_over_once, active_agent,
    nobody_left_waiting, scratch_is_tidied, asked_are_shown,
)  # fmt: skip
