"""The document of the API against the API: every route is in it, and generated requests do what it says."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
import uvicorn
from hypothesis import HealthCheck, Phase, settings
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    positive_data_acceptance,
    response_schema_conformance,
    status_code_conformance,
)

from functions.multi_agent_chat.app import build_app
from functions.multi_agent_chat.dependencies import Dependencies
from functions.multi_agent_chat.openapi import OPERATIONS, document
from functions.multi_agent_chat.routes import router
from shared.settings import load_settings
from tests.http.conftest import ENVIRONMENT
from tests.http.fakes import FakeChat
from tests.http.shapes import assert_answer
from tests.http.test_one_rule import judge
from tests.http.tokens import ALICE, bearer

SAMPLE = 8  # requests of each operation and kind


async def test_anyone_may_read_it(http: httpx.AsyncClient) -> None:
    served = assert_answer(await http.get("/openapi.json"), 200)
    assert served["openapi"] == "3.1.0"
    assert served["servers"] == [{"url": "/"}]
    prefixed = assert_answer(await http.get("/functions/v1/multi-agent-chat/openapi.json"), 200)
    assert prefixed["servers"] == [{"url": "/functions/v1/multi-agent-chat"}]


def test_every_route_and_method_is_in_it() -> None:
    nothing: Any = None
    deps = Dependencies(**dict.fromkeys(Dependencies.__dataclass_fields__, nothing))
    endpoints = {route.path: route.app for route in router(deps).routes}  # type: ignore[attr-defined]
    served = {(method, path) for path, endpoint in endpoints.items() for method in endpoint.methods}
    assert served - {(method, path) for method, path in served if method == "HEAD"} == set(OPERATIONS)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """The function around fakes, in a thread of its own, because the sender of generated requests blocks."""
    chat: Any = FakeChat()
    turn = chat.add(ALICE)
    raised = {"READS_PER_MINUTE": "1000000"}
    client = httpx.AsyncClient(transport=httpx.MockTransport(lambda _: httpx.Response(503)))
    app = build_app(
        load_settings(ENVIRONMENT | raised), service=chat, store=chat, ping_provider=chat.ping, client=client
    )
    server = uvicorn.Server(uvicorn.Config(app, port=0, lifespan="off", log_config=None, access_log=False))
    started = threading.Event()

    async def serve() -> None:
        serving = asyncio.ensure_future(server.serve())
        while not server.started and not serving.done():  # noqa: ASYNC110 (uvicorn sets a flag, and no event)
            await asyncio.sleep(0.01)
        started.set()
        await serving

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    assert started.wait(20)
    port = server.servers[0].sockets[0].getsockname()[1]
    IDS.update({"turns": turn.turn_id, "conversations": turn.conversation_id, "{id}": turn.conversation_id})
    IDS.update(images=turn.turn_id)
    chat.images[ALICE, turn.turn_id] = b"\x89PNG"
    IDS.update(agents=chat.add_agent(ALICE, "mine").slug, stats=turn.turn_id)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()


IDS: dict[str, str] = {}
SENT_LAST = judge("ChatMessage", "AgentMessage")


def _without_security() -> dict[str, Any]:
    """The document as sent to: each request carries a token. Who may do what, tests/security holds."""
    described = document("")
    del described["components"]["securitySchemes"]
    for methods in described["paths"].values():
        for operation in methods.values():
            del operation["security"]
    return described


schema = schemathesis.openapi.from_dict(_without_security())
schema.config.seed = 0  # else another one in each process
schema.config.phases.update(phases=["examples", "fuzzing"])  # each rule by itself is covered by test_one_rule.py


@schema.parametrize()
@settings(
    max_examples=SAMPLE,
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_generated_requests_do_what_it_says(address: str, case: schemathesis.Case[Any]) -> None:
    if case.meta and case.meta.generation.mode.is_positive:
        if case.path_parameters:
            case.path_parameters["id"] = IDS[case.path.split("/")[1]]  # else all are 404
        messages: Any = case.body.get("messages") if isinstance(case.body, dict) else None
        while messages and not SENT_LAST.is_valid(messages[-1]):  # which is to be last: no schema can say so
            messages.pop()
    case.call_and_validate(
        base_url=address,
        headers=bearer(ALICE),
        checks=[
            status_code_conformance,
            content_type_conformance,
            response_schema_conformance,
            positive_data_acceptance,
            # queries may have parameters that are unknown here: browsers and proxies add some
            *([] if case.method == "GET" else [negative_data_rejection]),
        ],
    )
