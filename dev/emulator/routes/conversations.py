"""Conversations and their items on the Responses wire."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from dev.emulator import errors
from dev.emulator.errors import Json
from dev.emulator.ids import response_wire_id
from dev.emulator.request import emulator_of, mark_accepted, page
from dev.emulator.request_body import read_body, read_metadata
from dev.emulator.responses.conversation import Conversation
from dev.emulator.responses.items import read_items

ITEMS_PER_CREATE = 20


def _read_new_items(body: Json) -> list[Json]:
    items = read_items(body.get("items"), "items")
    if len(items) > ITEMS_PER_CREATE:
        raise errors.invalid_parameter("items", f"at most {ITEMS_PER_CREATE} items, got {len(items)}")
    return items


def _conversation(request: Request) -> Conversation:
    return emulator_of(request).conversation(request.path_params["conversation"])


async def create(request: Request) -> Response:
    body = await read_body(request)
    emulator = emulator_of(request)
    conversation = Conversation(response_wire_id("conv"), read_metadata(body))
    conversation.add(_read_new_items(body))
    emulator.conversations[conversation.id] = conversation
    mark_accepted(request)
    return JSONResponse(conversation.body())


async def get(request: Request) -> Response:
    return JSONResponse(_conversation(request).body())


async def modify(request: Request) -> Response:
    body = await read_body(request)
    conversation = _conversation(request)
    conversation.metadata = read_metadata(body)
    return JSONResponse(conversation.body())


async def delete(request: Request) -> Response:
    conversation = _conversation(request)
    del emulator_of(request).conversations[conversation.id]
    return JSONResponse({"id": conversation.id, "object": "conversation.deleted", "deleted": True})


async def add_items(request: Request) -> Response:
    items = _read_new_items(await read_body(request))
    conversation = _conversation(request)
    conversation.refuse_if_locked(emulator_of(request).config)
    conversation.add(items)
    mark_accepted(request)
    ids = {"first_id": items[0]["id"], "last_id": items[-1]["id"]} if items else {"first_id": None, "last_id": None}
    return JSONResponse({"object": "list", "data": items, **ids, "has_more": False})


async def list_items(request: Request) -> Response:
    emulator, conversation = emulator_of(request), _conversation(request)
    shown = [item for item_id, item in conversation.items.items() if emulator.visible(conversation.entered[item_id])]
    return JSONResponse(page(request, shown, lambda each: each))


def _item(request: Request) -> tuple[Conversation, Json]:
    conversation = _conversation(request)
    item_id: str = request.path_params["item"]
    if item_id not in conversation.items:
        raise errors.absent("Item", item_id)
    return conversation, conversation.items[item_id]


async def get_item(request: Request) -> Response:
    return JSONResponse(_item(request)[1])


async def delete_item(request: Request) -> Response:
    conversation, item = _item(request)
    del conversation.items[item["id"]]
    return JSONResponse(conversation.body())


routes = [
    Route("/conversations", create, methods=["POST"]),
    Route("/conversations/{conversation}", get, methods=["GET"]),
    Route("/conversations/{conversation}", modify, methods=["POST"]),
    Route("/conversations/{conversation}", delete, methods=["DELETE"]),
    Route("/conversations/{conversation}/items", add_items, methods=["POST"]),
    Route("/conversations/{conversation}/items", list_items, methods=["GET"]),
    Route("/conversations/{conversation}/items/{item}", get_item, methods=["GET"]),
    Route("/conversations/{conversation}/items/{item}", delete_item, methods=["DELETE"]),
]
