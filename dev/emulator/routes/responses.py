"""The Responses wire: create, read, attach, cancel, delete."""

from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.responses import Response as HttpResponse
from starlette.routing import Route

from dev.emulator import errors
from dev.emulator.errors import Json
from dev.emulator.event_log import Event
from dev.emulator.parameters import RESPONSE, check_parameters
from dev.emulator.request import emulator_of, mark_accepted, page
from dev.emulator.request_body import read_body, read_list, read_metadata
from dev.emulator.responses.conversation import Conversation
from dev.emulator.responses.items import check_calls, read_items
from dev.emulator.responses.response import Order, Response
from dev.emulator.state import Emulator
from dev.emulator.streaming import stream, wants_stream

NOT_CANCELLABLE = {"completed": "a completed", "failed": "a failed", "incomplete": "an incomplete"}


async def create(request: Request) -> HttpResponse:
    emulator = emulator_of(request)
    body = await read_body(request)
    check_parameters(emulator.config, body, RESPONSE)
    streams = wants_stream(request, body.get("stream"))
    order = read_order(emulator, body, stream=streams)
    metadata = read_metadata(body)
    conversation = order.conversation
    if conversation is not None:
        conversation.refuse_if_locked(emulator.config)
    check_calls([*order.earlier, *order.input])
    response = Response(emulator.config, emulator.brain, order, metadata=metadata)
    emulator.responses[response.id] = response
    emulator.start(response, conversation)
    mark_accepted(request)
    if order.stream:
        return stream(request, _first_reader(response))
    if not order.background:
        await response.ended.wait()
    return JSONResponse(response.body())


def read_order(emulator: Emulator, body: Json, *, stream: bool) -> Order:
    """What the body asks for, after this server's habits have been applied; refuses what contradicts itself."""
    config = emulator.config
    if not body.get("model"):
        raise errors.missing_parameter("model")
    previous_id = body.get("previous_response_id")
    if previous_id and body.get("conversation"):
        raise errors.ApiError(
            "Mutually exclusive parameters: 'previous_response_id' and 'conversation'.",
            code="mutually_exclusive_parameters",
        )
    background, store = bool(body.get("background")), body.get("store") is not False
    if background and config.background == "refuse":
        raise errors.ApiError("Background mode is not supported.", code="unsupported_parameter", param="background")
    if background and not store:
        raise errors.ApiError("Background mode requires store to be true.", code="invalid_value", param="store")
    conversation = _conversation(emulator, body)
    earlier = list(conversation.items.values()) if conversation is not None else []
    if previous_id:
        previous = emulator.responses.get(previous_id)
        if previous is None or not previous.readable:
            raise errors.previous_response_not_found(previous_id)
        earlier = previous.context
    return Order(
        model=body["model"],
        input=read_items(body.get("input")),
        earlier=earlier,
        conversation=conversation,
        previous_response_id=previous_id,
        instructions=body.get("instructions"),
        tools=tuple(read_list(body, "tools")),
        background=background and config.background == "on",
        store=store,
        stream=stream,
        text_format=_text_format(body),
    )


def _text_format(body: Json) -> Json:
    text = body.get("text") or {}
    if not isinstance(text, dict):
        raise errors.invalid_parameter("text", "expected an object")
    return text.get("format") or {"type": "text"}


def _conversation(emulator: Emulator, body: Json) -> Conversation | None:
    named = body.get("conversation")
    if not named or emulator.config.conversation == "ignore":
        return None
    return emulator.conversation(named if isinstance(named, str) else str(named.get("id")))


async def _first_reader(response: Response) -> AsyncIterator[Event]:
    try:
        async for event in response.log.follow():
            yield event
    finally:
        if response.config.early_drop_sticks and response.order.background and response.status == "queued":
            response.frozen = True


def _response(request: Request) -> Response:
    return emulator_of(request).response(request.path_params["response"])


async def get(request: Request) -> HttpResponse:
    response = _response(request)
    if not wants_stream(request, request.query_params.get("stream") == "true"):
        return JSONResponse(response.body())
    for wanted, given in (("background", response.order.background), ("stream", response.order.stream)):
        if not given:
            raise errors.response_not_streamable(wanted)
    try:
        start = int(request.query_params.get("starting_after", "-1")) + 1
    except ValueError as error:
        raise errors.invalid_parameter("starting_after", "expected a whole number") from error
    return stream(request, response.log.follow(start))


async def cancel(request: Request) -> HttpResponse:
    response = _response(request)
    if not response.order.background:
        raise errors.response_not_cancellable("a synchronous")
    if response.status in NOT_CANCELLABLE:
        raise errors.response_not_cancellable(NOT_CANCELLABLE[response.status])
    if not response.cancelling:
        response.request_cancel()
        mark_accepted(request)
    if not response.plan.ignore_cancel_seconds:
        await response.ended.wait()
    return JSONResponse(response.body())


async def delete(request: Request) -> HttpResponse:
    response = _response(request)
    response.readable = False
    return JSONResponse({"id": response.id, "object": "response.deleted", "deleted": True})


async def input_items(request: Request) -> HttpResponse:
    order = _response(request).order
    return JSONResponse(page(request, [*order.earlier, *order.input], lambda each: each))


routes = [
    Route("/responses", create, methods=["POST"]),
    Route("/responses/{response}", get, methods=["GET"]),
    Route("/responses/{response}", delete, methods=["DELETE"]),
    Route("/responses/{response}/cancel", cancel, methods=["POST"]),
    Route("/responses/{response}/input_items", input_items, methods=["GET"]),
]
