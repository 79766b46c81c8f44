"""Assistants: model, instructions and tools that runs name by id."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from dev.emulator import errors
from dev.emulator.errors import Json
from dev.emulator.ids import now, thread_wire_id
from dev.emulator.request import emulator_of, page
from dev.emulator.request_body import read_body, read_list, read_metadata

FIELDS = ("name", "description", "instructions", "model")


async def create(request: Request) -> Response:
    body = await read_body(request)
    if not body.get("model"):
        raise errors.missing_parameter("model")
    assistant: Json = {
        "id": thread_wire_id("asst"),
        "object": "assistant",
        "created_at": int(now()),
        **{name: body.get(name) for name in FIELDS},
        "tools": read_list(body, "tools"),
        "metadata": read_metadata(body),
    }
    emulator_of(request).assistants[assistant["id"]] = assistant
    return JSONResponse(assistant)


def _assistant(request: Request) -> Json:
    return emulator_of(request).assistant(request.path_params["assistant"])


async def get(request: Request) -> Response:
    return JSONResponse(_assistant(request))


async def modify(request: Request) -> Response:
    body = await read_body(request)
    assistant = _assistant(request)
    assistant.update({name: body[name] for name in FIELDS if name in body})
    if "tools" in body:
        assistant["tools"] = read_list(body, "tools")
    if "metadata" in body:
        assistant["metadata"] = read_metadata(body)
    return JSONResponse(assistant)


async def delete(request: Request) -> Response:
    assistant = _assistant(request)
    del emulator_of(request).assistants[assistant["id"]]
    return JSONResponse({"id": assistant["id"], "object": "assistant.deleted", "deleted": True})


async def list_assistants(request: Request) -> Response:
    assistants = list(emulator_of(request).assistants.values())
    return JSONResponse(page(request, assistants, lambda each: each))


routes = [
    Route("/assistants", create, methods=["POST"]),
    Route("/assistants", list_assistants, methods=["GET"]),
    Route("/assistants/{assistant}", get, methods=["GET"]),
    Route("/assistants/{assistant}", modify, methods=["POST"]),
    Route("/assistants/{assistant}", delete, methods=["DELETE"]),
]
