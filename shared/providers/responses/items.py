"""Responses and conversation items, as our values. Nothing here trusts a field to be there."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from shared.core.images import MadeImage
from shared.core.runs import RunState, Source, ToolCall, ToolOutput
from shared.core.tool_messages import error_output
from shared.providers import fields
from shared.providers.calls import arguments_text, read_calls
from shared.providers.failures import failure_of
from shared.providers.retry_after import poll_after

Item = Mapping[str, Any]

MOST_SOURCES = 64  # of one run
TITLE_CHARS = 300
SERVER_OUTPUT_CHARS = 4_000  # all that a transcript shows of an output
_WEB_ADDRESS = re.compile(r"https?://[^\s<>\"]{1,2000}", re.IGNORECASE)
DESCRIPTION_CHARS = 500
_SIZE = re.compile(r"([1-9][0-9]{0,4})x([1-9][0-9]{0,4})")
_UNSHOWN_ITEMS = frozenset({"image_generation_call", "audio", "image"})
"""Items of an output that are an answer by themselves and hold no text; an image, where it was not drawn."""


def response_state(response: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> RunState:
    """One response object. A completed one that asks for functions is in `requires_action`: it waits for their outputs.

    A response without a status counts as ended where it has output, as servers without background answer, and no item
    of it says that it is under way.
    """
    output = fields.objects(response, "output")
    calls = tool_calls(output)
    whole = all(item.get("status") in (None, "completed") or _drawn(item) for item in output)
    status = fields.status(response, "completed" if output and whole else "unknown")
    return RunState(
        run_id=fields.identifier(response),
        status="requires_action" if status == "completed" and calls else status,
        text=items_text(output) or fields.text(response, "output_text"),
        tool_calls=calls,
        usage=fields.usage(response),
        **failure_of(response, "error", status),
        sources=cited_sources(output),
        images=made_images(output),
        server_outputs=server_outputs(output),
        unshown=_unshown(output),
        poll_after_seconds=poll_after(headers or {}),
        cursor=last_id(output),
        thread_id=fields.named(response, "conversation"),
        turn_id=fields.text(fields.inner(response, "metadata"), "turn_id") or None,
    )


def cited_sources(items: Sequence[Item]) -> tuple[Source, ...]:
    """What the words of these items cite, each once. An address that no browser should follow is none."""
    found: dict[tuple[str | None, str | None], Source] = {}
    for item in items:
        for part in fields.objects(item, "content") if may_speak(item) else ():
            for note in fields.objects(part, "annotations"):
                source = _source(note)
                if source is not None and len(found) < MOST_SOURCES:
                    found.setdefault((source.url, source.file_id), source)
    return tuple(found.values())


def _source(note: Mapping[str, Any]) -> Source | None:
    match fields.text(note, "type"):
        case "url_citation":
            url = fields.text(note, "url")
            title = fields.text(note, "title")[:TITLE_CHARS] or None
            return Source(url=url, title=title) if _WEB_ADDRESS.fullmatch(url) else None
        case "file_citation" | "container_file_citation" | "file_path":  # of `file_path` no name is told
            file_id = fields.identifier(note, "file_id")
            title = fields.text(note, "filename")[:TITLE_CHARS] or None
            return Source(file_id=file_id[:TITLE_CHARS], title=title) if file_id else None
        case _:
            return None


def made_images(items: Sequence[Item]) -> tuple[MadeImage, ...]:
    """The images among these items. A drawn one was seen with the status `generating`: what counts is its data."""
    made = []
    for item in items:
        if data := _drawn(item):
            size = _SIZE.fullmatch(fields.text(item, "size"))
            width, height = (int(size[1]), int(size[2])) if size else (None, None)
            description = fields.text(item, "revised_prompt").strip()[:DESCRIPTION_CHARS] or None
            made.append(MadeImage(data, description, width, height))
    return tuple(made)


def _drawn(item: Item) -> str:
    """The data of an image, in base64; empty where the item is none, or was not drawn to its end."""
    if item_kind(item) != "image_generation_call" or fields.text(item, "status") == "failed":
        return ""
    _, _, data = f",{fields.text(item, 'result')}".rpartition(",")  # some servers give an address of the kind `data:`
    return "".join(data.split())


def server_outputs(items: Sequence[Item]) -> tuple[ToolOutput, ...]:
    """What came of the calls of MCP servers that waited for a word, by the ids of the requests for it."""
    found = []
    for item in items:
        call_id = fields.identifier(item, "approval_request_id")
        if item_kind(item) == "mcp_call" and call_id is not None:
            found.append(ToolOutput(call_id, _server_output(item)))
    return tuple(found)


def _server_output(item: Item) -> str:
    """The server's text, or its error in the form that errors of tools have. Each is cut where it is long."""
    if not item.get("error"):
        return fields.text(item, "output")[:SERVER_OUTPUT_CHARS]
    told = fields.text(item, "error") or fields.text(fields.inner(item, "error"), "message")
    return error_output("server_failed", told[:SERVER_OUTPUT_CHARS] or "The call failed.")


def _unshown(output: Sequence[Item]) -> str | None:
    """The kind of the first thing in the output that answers and is no text."""
    for item in output:
        if item_kind(item) in _UNSHOWN_ITEMS and not _drawn(item):
            return item_kind(item)
        for part in fields.objects(item, "content") if may_speak(item) else ():
            kind = fields.text(part, "type")
            if kind and not kind.endswith("text") and kind != "refusal":
                return kind[:64]
    return None


def in_background(response: Mapping[str, Any]) -> bool:
    """Whether the response outlives the connection it was made on, as far as it says."""
    told = response.get("background")
    return told is True or (told is None and response.get("status") == "queued")


def items_text(items: Sequence[Item]) -> str:
    """What the assistant says in these items, in order; a refusal is said as well."""
    return "\n\n".join(text for item in items if may_speak(item) and (text := item_text(item)))


def may_speak(item: Item) -> bool:
    """Whether this is a message of the assistant's. Some servers leave the role out of their own messages."""
    role = fields.text(item, "role")
    return role == "assistant" or (not role and item_kind(item) == "message")


def item_text(item: Item) -> str:
    """The text of a message, whether it is given as a string or in parts."""
    if plain := fields.text(item, "content"):
        return plain
    parts = fields.objects(item, "content")
    shown = (part for part in parts if not fields.text(part, "type").startswith(("reasoning", "summary")))
    return "".join(fields.text(part, "text") or fields.text(part, "refusal") for part in shown)


def named_call(item: Item) -> str | None:
    """The call that an item makes or answers: of a function, or one of an MCP server that waits for a word."""
    match item_kind(item):
        case "function_call" | "function_call_output":
            return fields.identifier(item, "call_id")
        case "mcp_approval_request":
            return fields.identifier(item)
        case "mcp_approval_response":
            return fields.identifier(item, "approval_request_id")
        case _:
            return None


def _allowances(items: Sequence[Item]) -> list[ToolCall]:
    """The calls of MCP servers that wait for a word, and have none among the same items."""
    answered = {named_call(item) for item in items if item_kind(item) == "mcp_approval_response"}
    calls = []
    for item in items:
        call_id, server = named_call(item), fields.text(item, "server_label")
        if item_kind(item) == "mcp_approval_request" and call_id is not None and call_id not in answered:
            name = f"{server}.{fields.text(item, 'name')}"
            calls.append(ToolCall(call_id, name, arguments_text(item.get("arguments")), server))
    return calls


def tool_calls(items: Sequence[Item]) -> tuple[ToolCall, ...]:
    """The calls that no output among the same items answers, of functions first."""
    answered = [fields.identifier(item, "call_id") for item in items if item_kind(item) == "function_call_output"]
    calls = []
    for item in items:
        if item_kind(item) != "function_call":
            continue
        call_id = fields.identifier(item, "call_id") or fields.identifier(item)
        if call_id in answered:
            answered.remove(call_id)  # each output answers one call
        else:
            calls.append((call_id, fields.text(item, "name"), item.get("arguments")))
    return (*read_calls(calls), *_allowances(items))


def last_id(items: Sequence[Item]) -> str | None:
    return next((item_id for item in reversed(items) if (item_id := fields.identifier(item))), None)


def item_kind(item: Item) -> str:
    return fields.text(item, "type")
