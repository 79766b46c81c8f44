"""Items of the Responses wire: what goes in and out of a response and stays in a conversation."""

import base64
from collections.abc import Mapping, Sequence

from dev.emulator import errors
from dev.emulator.brain.plan import Called, Prompt, Said, ToolOutput
from dev.emulator.errors import Json
from dev.emulator.ids import response_wire_id
from dev.emulator.picture import PIXELS, picture
from dev.emulator.request_body import text_of

PREFIXES = {"message": "msg", "function_call": "fc", "function_call_output": "fco", "mcp_approval_response": "mcprs"}


def read_items(given: object, name: str = "input") -> list[Json]:
    """Input as items, each with an id; a string is one user message. Ids that are given are kept."""
    if given is None:
        return []
    if isinstance(given, str):
        given = [{"role": "user", "content": given}]
    if not isinstance(given, list) or not all(isinstance(each, dict) for each in given):
        raise errors.invalid_parameter(name, "expected a string or an array of items")
    return [_read_item(each) for each in given]


def _read_item(given: Json) -> Json:
    kind = given.get("type") or "message"
    if kind == "message" and not given.get("role"):
        raise errors.missing_parameter("input[].role")
    if kind.startswith("function_call") and not given.get("call_id"):
        raise errors.missing_parameter("input[].call_id")
    item = {
        **given,
        "id": given.get("id") or response_wire_id(PREFIXES.get(kind, "item")),
        "type": kind,
        "status": given.get("status") or "completed",
    }
    if kind == "message" and isinstance(given.get("content"), str):
        part = "output_text" if given["role"] == "assistant" else "input_text"
        item["content"] = [{"type": part, "text": given["content"]}]
    return item


def check_calls(history: Sequence[Json]) -> None:
    """Every function call needs its output before the model can go on, and every output its call."""
    asked = [each["call_id"] for each in history if each["type"] == "function_call"]
    given = [each["call_id"] for each in history if each["type"] == "function_call_output"]
    for call_id in asked:
        if call_id not in given:
            raise errors.unanswered_call(call_id)
    for call_id in given:
        if call_id not in asked:
            raise errors.unasked_output(call_id)
    requests = [each["id"] for each in history if each["type"] == "mcp_approval_request"]
    for each in history:
        if each["type"] == "mcp_approval_response" and each.get("approval_request_id") not in requests:
            raise errors.unasked_output(str(each.get("approval_request_id")))


def is_user_message(item: Json) -> bool:
    return (item["type"], item.get("role")) == ("message", "user")


def read_prompt(history: Sequence[Json], *, model: str, instructions: str, tools: Sequence[Json]) -> Prompt:
    """What the model sees of a history: its last user message, and what was called and answered after it."""
    users = [at for at, item in enumerate(history) if is_user_message(item)]
    since = history[users[-1] + 1 :] if users else history
    names = {each["call_id"]: str(each.get("name")) for each in history if each["type"] == "function_call"}
    outputs = [each for each in since if each["type"] == "function_call_output"]
    given = {each["call_id"]: _output_text(each) for each in outputs}
    requests = {each["id"]: each for each in history if each["type"] == "mcp_approval_request"}
    words = [each for each in since if each["type"] == "mcp_approval_response"]
    heard = [(_mcp_name(requests[each["approval_request_id"]]), _word(each)) for each in words]
    given |= {each["approval_request_id"]: _word(each) for each in words}
    offered = [each for each in tools if each.get("type") == "function" and "name" in each]
    return Prompt(
        text=text_of(history[users[-1]]["content"]) if users else "",
        user_messages=len(users),
        outputs=(
            *(ToolOutput(names[each["call_id"]], _output_text(each)) for each in outputs),
            *(ToolOutput(name, word) for name, word in heard),
        ),
        called=any(each["type"] in ("function_call", "mcp_approval_request") for each in since),
        model=model,
        instructions=instructions,
        tools=frozenset(str(each["name"]) for each in offered),
        since=tuple(event for each in since if (event := _event(each, given)) is not None),
        hosted=frozenset(str(each.get("type")) for each in tools) - {"function"},
        schemas={str(each["name"]): each.get("parameters") or {} for each in offered},
    )


def _event(item: Json, given: Mapping[str, str]) -> Said | Called | None:
    if item["type"] == "function_call":
        return Called(str(item.get("name")), str(item.get("arguments", "{}")), given.get(item["call_id"]))
    if item["type"] == "mcp_approval_request":
        return Called(_mcp_name(item), str(item.get("arguments", "{}")), given.get(item["id"]))
    if (item["type"], item.get("role")) == ("message", "assistant"):
        return Said(text_of(item.get("content", "")))
    return None


def _mcp_name(request: Json) -> str:
    return f"{request.get('server_label')}.{request.get('name')}"


def _word(response: Json) -> str:
    """What the emulated server does with a word: it makes the call, or reads why not."""
    return "emulated result" if response.get("approve") else f"refused: {response.get('reason', '')}"


def _output_text(item: Json) -> str:
    output = item.get("output", "")
    return output if isinstance(output, str) else text_of(output)


def answer_item(text: str, status: str) -> Json:
    return {
        "id": response_wire_id("msg"),
        "type": "message",
        "role": "assistant",
        "status": status,
        "content": [text_part(text)] if text else [],
    }


def text_part(text: str) -> Json:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def call_item(name: str, arguments: str, call_id: str) -> Json:
    return {
        "id": response_wire_id("fc"),
        "type": "function_call",
        "status": "completed",
        "call_id": call_id,
        "name": name,
        "arguments": arguments,
    }


def allowed_calls(items: Sequence[Json], history: Sequence[Json]) -> list[Json]:
    """The calls that the words among these items allow, as made."""
    requests = {each["id"]: each for each in history if each["type"] == "mcp_approval_request"}
    allowed = [each for each in items if each["type"] == "mcp_approval_response" and each.get("approve")]
    return [_server_call(requests[each["approval_request_id"]], _word(each)) for each in allowed]


def _server_call(request: Json, output: str) -> Json:
    made = {name: request[name] for name in ("server_label", "name", "arguments")}
    told = {"approval_request_id": request["id"], "output": output, "error": None, "status": "completed"}
    return {"id": response_wire_id("mcp"), "type": "mcp_call", **made, **told}


def approval_item(server: str, name: str, arguments: str) -> Json:
    asked = {"server_label": server, "name": name, "arguments": arguments}
    return {"id": response_wire_id("mcpr"), "type": "mcp_approval_request", **asked}


def image_item(prompt: str) -> Json:
    """A drawn image as the vendor gives it: done, and yet `generating`, as its items were seen to be."""
    drawn = base64.b64encode(picture(prompt)).decode()
    about = {"revised_prompt": prompt, "output_format": "png", "size": f"{PIXELS}x{PIXELS}"}
    return (
        {"id": response_wire_id("ig"), "type": "image_generation_call", "status": "generating"}
        | about
        | {"result": drawn}
    )


def words_in(items: Sequence[Json]) -> int:
    """The emulator's tokens: words of all texts, of the arguments of calls and of their outputs."""
    return sum(len(_words(each).split()) for each in items)


def _words(item: Json) -> str:
    if item["type"] == "function_call":
        return str(item.get("arguments", ""))
    return _output_text(item) if item["type"] == "function_call_output" else text_of(item.get("content", ""))
