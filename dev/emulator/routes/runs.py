"""Runs on the Assistants wire: create, read, cancel, tool outputs."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from dev.emulator import errors
from dev.emulator.errors import Json
from dev.emulator.parameters import RUN, check_parameters
from dev.emulator.request import emulator_of, mark_accepted, page
from dev.emulator.request_body import read_body, read_list, read_metadata
from dev.emulator.routes.threads import make_thread
from dev.emulator.state import Emulator
from dev.emulator.streaming import stream, wants_stream
from dev.emulator.threads.run import Run, instructions_of
from dev.emulator.threads.thread import Thread, read_message

NOT_CANCELLABLE = frozenset({"cancelling", "cancelled", "completed", "failed", "incomplete", "expired"})


async def create(request: Request) -> Response:
    emulator = emulator_of(request)
    body = await read_body(request)
    check_parameters(emulator.config, body, RUN)
    thread = emulator.thread(request.path_params["thread"])
    return _start(request, emulator, thread, body)


async def create_thread_and_run(request: Request) -> Response:
    emulator = emulator_of(request)
    body = await read_body(request)
    thread = make_thread(emulator, body.get("thread") or {})
    # Known only once the run is admitted: a refused call must not leave a thread behind.
    answer = _start(request, emulator, thread, body)
    emulator.threads[thread.id] = thread
    return answer


def _start(request: Request, emulator: Emulator, thread: Thread, body: Json) -> Response:
    streams = wants_stream(request, body.get("stream"))
    assistant_id = body.get("assistant_id")
    if not assistant_id:
        raise errors.missing_parameter("assistant_id")
    assistant = emulator.assistant(assistant_id)
    config, active_run = emulator.config, thread.active_run
    messages = [read_message(each, thread.id) for each in read_list(body, "additional_messages")]
    metadata = read_metadata(body)
    if active_run is not None and config.lock:
        thread.conflicts += 1
        for message in messages if config.keep_refused_message else []:
            thread.add(message)
        raise errors.thread_has_active_run(
            thread.id, active_run.id, status=config.conflict_status, names_run=config.conflict_names_run
        )
    has_user_message = bool(thread.user_messages) or any(each.role == "user" for each in messages)
    if not has_user_message and not instructions_of(assistant, body):
        raise errors.invalid_thread()
    for message in messages:
        thread.add(message)
    run = Run(config, thread, emulator.brain, assistant=assistant, body=body, metadata=metadata)
    emulator.runs[run.id] = run
    emulator.start(run, thread)
    mark_accepted(request)
    return stream(request, run.log.follow()) if streams else JSONResponse(run.body())


def _run(request: Request) -> Run:
    return emulator_of(request).run(request.path_params["thread"], request.path_params["run"])


async def get(request: Request) -> Response:
    hint = emulator_of(request).config.poll_after_ms
    headers = {} if hint is None else {"openai-poll-after-ms": str(hint)}
    return JSONResponse(_run(request).body(), headers=headers)


async def modify(request: Request) -> Response:
    body = await read_body(request)
    run = _run(request)
    run.metadata = read_metadata(body)
    return JSONResponse(run.body())


async def list_runs(request: Request) -> Response:
    emulator = emulator_of(request)
    thread = emulator.thread(request.path_params["thread"])
    runs = [emulator.runs[each] for each in thread.jobs]
    return JSONResponse(page(request, [each for each in runs if emulator.visible(each.born)], Run.body))


async def cancel(request: Request) -> Response:
    run = _run(request)
    if run.status in NOT_CANCELLABLE:
        raise errors.run_not_cancellable(run.status)
    run.request_cancel()
    mark_accepted(request)
    return JSONResponse(run.body())


async def submit_tool_outputs(request: Request) -> Response:
    body = await read_body(request)
    run, streams = _run(request), wants_stream(request, body.get("stream"))
    if run.status != "requires_action":
        raise errors.run_takes_no_outputs(run.status)
    given = {str(each.get("tool_call_id")): str(each.get("output", "")) for each in read_list(body, "tool_outputs")}
    asked = [call.id for call in run.calls]
    if set(given) != set(asked):
        raise errors.ApiError(f"Expected tool outputs for call_ids {asked}, got {list(given)}")
    run.give(given)
    mark_accepted(request)
    return stream(request, run.log.follow()) if streams else JSONResponse(run.body())


routes = [
    Route("/threads/runs", create_thread_and_run, methods=["POST"]),
    Route("/threads/{thread}/runs", create, methods=["POST"]),
    Route("/threads/{thread}/runs", list_runs, methods=["GET"]),
    Route("/threads/{thread}/runs/{run}", get, methods=["GET"]),
    Route("/threads/{thread}/runs/{run}", modify, methods=["POST"]),
    Route("/threads/{thread}/runs/{run}/cancel", cancel, methods=["POST"]),
    Route("/threads/{thread}/runs/{run}/submit_tool_outputs", submit_tool_outputs, methods=["POST"]),
]
