"""Threads and their messages on the Assistants wire."""

from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from dev.emulator import errors
from dev.emulator.errors import Json
from dev.emulator.ids import thread_wire_id
from dev.emulator.request import emulator_of, mark_accepted, page
from dev.emulator.request_body import read_body, read_list, read_metadata
from dev.emulator.state import Emulator
from dev.emulator.threads.thread import Message, Thread, read_message

if TYPE_CHECKING:
    pass


def make_thread(emulator: Emulator, body: Json) -> Thread:
    """A thread that is not yet known to the server: creating a thread with a run can still be refused."""
    thread = Thread(thread_wire_id("thread"), read_metadata(body))
    for each in read_list(body, "messages"):
        thread.add(read_message(each, thread.id))
    return thread


async def create(request: Request) -> Response:
    emulator = emulator_of(request)
    thread = make_thread(emulator, await read_body(request))
    emulator.threads[thread.id] = thread
    mark_accepted(request)
    return JSONResponse(thread.body())


async def get(request: Request) -> Response:
    return JSONResponse(emulator_of(request).thread(request.path_params["thread"]).body())


async def modify(request: Request) -> Response:
    thread = emulator_of(request).thread(request.path_params["thread"])
    thread.metadata = read_metadata(await read_body(request))
    return JSONResponse(thread.body())


async def delete(request: Request) -> Response:
    emulator = emulator_of(request)
    thread = emulator.thread(request.path_params["thread"])
    for job in thread.active.values():
        job.kill()
    del emulator.threads[thread.id]
    return JSONResponse({"id": thread.id, "object": "thread.deleted", "deleted": True})


async def add_message(request: Request) -> Response:
    emulator = emulator_of(request)
    thread = emulator.thread(request.path_params["thread"])
    message = read_message(await read_body(request), thread.id)
    config, active_run = emulator.config, thread.active_run
    if active_run is not None and config.lock:
        thread.conflicts += 1
        raise errors.thread_takes_no_message(
            thread.id, active_run.id, status=config.conflict_status, names_run=config.conflict_names_run
        )
    thread.add(message)
    mark_accepted(request)
    return JSONResponse(message.body())


async def list_messages(request: Request) -> Response:
    emulator = emulator_of(request)
    thread = emulator.thread(request.path_params["thread"])
    of_run = request.query_params.get("run_id")
    shown = [each for each in thread.messages.values() if emulator.visible(each.born) and of_run in {None, each.run_id}]
    return JSONResponse(page(request, shown, Message.body))


def _message(request: Request) -> tuple[Thread, Message]:
    thread = emulator_of(request).thread(request.path_params["thread"])
    message_id: str = request.path_params["message"]
    if message_id not in thread.messages:
        raise errors.not_found("message", message_id)
    return thread, thread.messages[message_id]


async def get_message(request: Request) -> Response:
    return JSONResponse(_message(request)[1].body())


async def modify_message(request: Request) -> Response:
    _, message = _message(request)
    message.metadata = read_metadata(await read_body(request))
    return JSONResponse(message.body())


async def delete_message(request: Request) -> Response:
    thread, message = _message(request)
    del thread.messages[message.id]
    return JSONResponse({"id": message.id, "object": "thread.message.deleted", "deleted": True})


async def get_content(request: Request) -> Response:
    file_id = request.path_params["file"]
    for thread in emulator_of(request).threads.values():
        if file_id in thread.files:
            return Response(thread.files[file_id], media_type="application/octet-stream")
    raise errors.not_found("file", file_id)


routes = [
    Route("/files/{file}/content", get_content, methods=["GET"]),
    Route("/threads", create, methods=["POST"]),
    Route("/threads/{thread}", get, methods=["GET"]),
    Route("/threads/{thread}", modify, methods=["POST"]),
    Route("/threads/{thread}", delete, methods=["DELETE"]),
    Route("/threads/{thread}/messages", add_message, methods=["POST"]),
    Route("/threads/{thread}/messages", list_messages, methods=["GET"]),
    Route("/threads/{thread}/messages/{message}", get_message, methods=["GET"]),
    Route("/threads/{thread}/messages/{message}", modify_message, methods=["POST"]),
    Route("/threads/{thread}/messages/{message}", delete_message, methods=["DELETE"]),
]
