"""The routes under `/_emulator`: what a test or a developer does to the server itself. No key is asked for."""

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from dev.emulator import errors
from dev.emulator.brain.plan import MODELS, Outcome, Plan
from dev.emulator.errors import Json
from dev.emulator.faults import Fault, Rule
from dev.emulator.ids import thread_wire_id
from dev.emulator.request import emulator_of
from dev.emulator.request_body import read_body
from dev.emulator.responses.items import read_items
from dev.emulator.responses.response import Order
from dev.emulator.responses.response import Response as ResponseJob
from dev.emulator.state import Emulator
from dev.emulator.threads.run import Run
from dev.emulator.threads.thread import Message


class Foreign(BaseModel):
    """A run that another program starts; exactly one of the two ids."""

    model_config = ConfigDict(extra="forbid")

    thread_id: str | None = None
    conversation_id: str | None = None
    seconds: float | None = Field(default=None, ge=0)
    """How long it works; None: it never ends."""
    message: str = "A message of another program"
    background: bool = True
    """Of a response: only a background one can be cancelled by id."""
    metadata: dict[str, str] = {}


async def get_config(request: Request) -> Response:
    return JSONResponse(emulator_of(request).config.model_dump())


async def set_config(request: Request) -> Response:
    """Changes what is named; runs that are under way keep the configuration they began with."""
    emulator = emulator_of(request)
    emulator.config = emulator.config.patched(await read_body(request))
    return JSONResponse(emulator.config.model_dump())


async def add_faults(request: Request) -> Response:
    """One rule, or `{"faults": [rule, ...]}`; the first rule that strikes a request is the only one."""
    emulator = emulator_of(request)
    body = await read_body(request)
    emulator.faults.extend(Fault(Rule.model_validate(each)) for each in body.get("faults", [body]))
    return JSONResponse([each.report() for each in emulator.faults])


async def clear_faults(request: Request) -> Response:
    emulator_of(request).faults.clear()
    return JSONResponse([])


async def start_foreign(request: Request) -> Response:
    emulator = emulator_of(request)
    foreign = Foreign.model_validate(await read_body(request))
    plan = Plan(
        text=f"Emulated reply to another program: {foreign.message}",
        outcome=Outcome.NEVER if foreign.seconds is None else Outcome.COMPLETE,
        work_seconds=foreign.seconds,
    )
    if foreign.thread_id is not None:
        return JSONResponse(_foreign_run(emulator, foreign.thread_id, foreign, plan).report())
    if foreign.conversation_id is not None:
        return JSONResponse(_foreign_response(emulator, foreign.conversation_id, foreign, plan).report())
    raise errors.missing_parameter("thread_id")


def _foreign_run(emulator: Emulator, thread_id: str, foreign: Foreign, plan: Plan) -> Run:
    thread, config = emulator.thread(thread_id), emulator.config
    if config.lock and thread.active_run is not None:
        raise errors.thread_has_active_run(thread.id, thread.active_run.id, status=400, names_run=True)
    thread.add(Message(thread_wire_id("msg"), thread.id, "user", foreign.message, {}))
    assistant: Json = {"id": "asst_of_another_program", "model": MODELS[0], "instructions": None, "tools": []}
    run = Run(config, thread, emulator.brain, assistant=assistant, body={}, metadata=foreign.metadata, plan=plan)
    emulator.runs[run.id] = run
    emulator.start(run, thread)
    return run


def _foreign_response(emulator: Emulator, conversation_id: str, foreign: Foreign, plan: Plan) -> ResponseJob:
    conversation, config = emulator.conversation(conversation_id), emulator.config
    conversation.refuse_if_locked(config)
    order = Order(
        model=MODELS[0],
        input=read_items(foreign.message),
        earlier=list(conversation.items.values()),
        conversation=conversation,
        background=foreign.background,
    )
    response = ResponseJob(config, emulator.brain, order, metadata=foreign.metadata, plan=plan)
    emulator.responses[response.id] = response
    emulator.start(response, conversation)
    return response


async def reset(request: Request) -> Response:
    emulator_of(request).reset()
    return JSONResponse({})


async def state(request: Request) -> Response:
    return JSONResponse(emulator_of(request).report())


async def invalid(_request: Request, error: Exception) -> Response:
    """What pydantic refuses is a mistake of the test, so all of it is said."""
    details = error.errors(include_url=False, include_context=False) if isinstance(error, ValidationError) else []
    return JSONResponse({"error": {"message": str(error), "details": details}}, 400)


routes = [
    Route("/config", get_config, methods=["GET"]),
    Route("/config", set_config, methods=["POST"]),
    Route("/faults", add_faults, methods=["POST"]),
    Route("/faults", clear_faults, methods=["DELETE"]),
    Route("/foreign", start_foreign, methods=["POST"]),
    Route("/reset", reset, methods=["POST"]),
    Route("/state", state, methods=["GET"]),
]
