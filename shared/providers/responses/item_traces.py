"""What a turn has left in a conversation: its answer, its leftovers, and all that goes when it is erased."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from shared.core.run_start import RunStart
from shared.core.runs import RunState, Thread
from shared.core.turns import Displaced
from shared.providers import fields
from shared.providers.calls import wire_call_id
from shared.providers.responses.input_items import input_items
from shared.providers.responses.items import (
    Item,
    cited_sources,
    item_kind,
    item_text,
    items_text,
    last_id,
    made_images,
    named_call,
    server_outputs,
    tool_calls,
)
from shared.providers.text import clean


def missing(newest_first: Sequence[Item], displaced: Sequence[Displaced]) -> tuple[Displaced, ...]:
    """Of the interrupted turns, those whose question does not stand among these items."""
    asked = {item_text(item) for item in newest_first if fields.text(item, "role") == "user"}
    return tuple(one for one in displaced if clean(one.text) not in asked)


def traces(newest_first: Sequence[Item], start: RunStart, *, by_calls: bool = False) -> list[str]:
    """Ids of the turn's message and of all that followed it: what was said, called and given, and what was put back
    right before it.

    `by_calls`: the same may have been asked before, so a message counts only behind the first of the turn's calls.
    """
    asked = {clean(text) for text in (start.text, *(one.text for one in start.steered)) if text is not None}
    put_back = {clean(one.text) for one in start.displaced}
    calls = call_ids(start)
    parts = _by_question(newest_first)
    called = [at for at, part in enumerate(parts) if _concerns(part, calls)]
    first = max(called, default=-1)
    own = [at for at, part in enumerate(parts) if _asks(part, asked) and (at < first or not by_calls)]
    found = {*called, *own}
    before = max(found, default=len(parts)) + 1
    while before < len(parts) and _asks(parts[before], put_back):
        found.add(before)
        before += 1
    return [item_id for at in sorted(found) for item_id in _ids(parts[at])]


def _by_question(newest_first: Sequence[Item]) -> list[list[Item]]:
    """The items by what they follow: each part ends with a message of the user's, the oldest one may have none."""
    parts: list[list[Item]] = [[]]
    for item in newest_first:
        parts[-1].append(item)
        if fields.text(item, "role") == "user":
            parts.append([])
    return parts if parts[-1] else parts[:-1]


def _asks(part: Sequence[Item], texts: Collection[str]) -> bool:
    return fields.text(part[-1], "role") == "user" and item_text(part[-1]) in texts


def thread_without(erased: Collection[str], newest_first: Sequence[Item], thread: Thread) -> Thread:
    """The thread once these items are gone: where the last one known is among them, it is the newest that is left."""
    if thread.cursor not in erased:
        return thread
    left = (item_id for item_id in _ids(newest_first) if item_id not in erased)
    return replace(thread, cursor=next(left, None))


def call_ids(start: RunStart) -> frozenset[str]:
    """The function calls that this turn is known to have made: they tell its items from those of any other turn."""
    told = [call.call_id for step in start.steps for call in step.calls]
    known = [*told, *(given.call_id for given in start.tool_outputs)]
    return frozenset([*known, *map(wire_call_id, known)])


def _concerns(items: Sequence[Item], calls: frozenset[str]) -> bool:
    return any(named_call(item) in calls for item in items)


def _ids(items: Sequence[Item]) -> list[str]:
    return [item_id for item in items if (item_id := fields.identifier(item))]


def _same(item: Item, own: Item) -> bool:
    """Whether an item of a conversation is what an item of our input has become."""
    if item_kind(own) == "message":
        return fields.text(item, "role") == fields.text(own, "role") and item_text(item) == item_text(own)
    return item_kind(item) == item_kind(own) and named_call(item) == named_call(own)


def has_input(items: Sequence[Item], start: RunStart) -> bool:
    """Whether the last item of our input stands among these."""
    own = input_items(start)
    return bool(own) and any(_same(item, own[-1]) for item in items)


def found_run(newest_first: Sequence[Item], start: RunStart) -> RunState | None:
    """The run that answered our input, by what it left in the conversation after the last item known.

    Input and output enter a conversation only when a response completes, as the vendor documents.
    """
    own = input_items(start)
    for index, item in enumerate(newest_first):
        # What was told before the last item may look like an answer, and is none.
        if own and _same(item, own[-1]) and (state := _answer(list(newest_first[:index])[::-1], start)):
            return state
    return None


def _answer(after: Sequence[Item], start: RunStart) -> RunState | None:
    """What was said to our input, given the items after it in order."""
    end = next((index for index, item in enumerate(after) if fields.text(item, "role") == "user"), len(after))
    answer = after[:end]
    calls = tool_calls(answer)
    text, images = items_text(answer), made_images(answer)
    run_id = next((made for item in answer if (made := _made_by(item))), None)
    if not (text or calls or images) or {run_id, last_id(answer)} & set(start.known_run_ids):
        return None
    cut_off = any(fields.status(item, "") == "incomplete" for item in answer)
    return RunState(
        run_id=run_id,
        status="requires_action" if calls else "incomplete" if cut_off else "completed",
        text=text,
        tool_calls=calls,
        sources=cited_sources(answer),
        images=images,
        server_outputs=server_outputs(answer),
        cursor=last_id(answer),
        thread_id=start.thread.thread_id,
    )


def leftovers(newest_first: Sequence[Item], start: RunStart) -> list[str]:
    """Ids of copies of our input, or of parts of it, that stand at the end of the conversation without an answer."""
    own = [item for item in reversed(input_items(start)) if not _restored(item, start)]
    left: list[str] = []
    at = 0  # the newest of our items that may come next
    for item in newest_first:
        found = _place(item, own, at) if left else None
        if found is None:  # the end of a copy
            found = _place(item, own, 0)
            # A reply may read as something that we told: only what stands before an item of ours is ours as well.
            if found is None or (found > 0 and fields.text(item, "role") != "user"):
                break
        at = found + 1
        left += _ids([item])
    return left + [item_id for item_id in _unread_outputs(newest_first, start) if item_id not in left]


def _unread_outputs(newest_first: Sequence[Item], start: RunStart) -> list[str]:
    """Ids of our outputs that no model has read: what follows them, if anything, was asked by another program."""
    given = {output.call_id for output in start.tool_outputs}
    unread: list[Item] = []
    follows_nothing = True
    for item in newest_first:
        is_ours = item_kind(item) in ("function_call_output", "mcp_approval_response") and named_call(item) in given
        if is_ours and follows_nothing:
            unread.append(item)
        else:
            follows_nothing = fields.text(item, "role") == "user"
    return _ids(unread)


def _place(item: Item, own: Sequence[Item], at: int) -> int | None:
    return next((index for index in range(at, len(own)) if _same(item, own[index])), None)


def _restored(own: Item, start: RunStart) -> bool:
    """Whether this is part of an interrupted turn: what stands of those is left standing."""
    texts = {clean(text) for one in start.displaced for text in (one.text, one.partial)}
    return (
        item_kind(own) == "message" and own["content"] in texts and own["content"] != (start.text and clean(start.text))
    )


def _made_by(item: Item) -> str | None:
    """The response that made an item, where the server says so."""
    return fields.named(item, "response_id") or fields.named(item, "response")
