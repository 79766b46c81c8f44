"""Faults before and after a request took effect, and the front of the server: keys, routes, the admin."""

import asyncio
import os
import re
import signal
import sys
from typing import Any

import httpx
import pytest

from dev.emulator.testing import RunningEmulator, local_client

Json = dict[str, Any]

BODY = {"model": "emulated-model", "input": "hello"}


async def create(api: httpx.AsyncClient, **body: Any) -> httpx.Response:
    return await api.post("/responses", json={**BODY, **body})


def accepted(emulator: RunningEmulator) -> int:
    return len(emulator.emulator.responses)


@pytest.mark.parametrize(("when", "runs"), [("before", 0), ("after", 1)])
async def test_an_answer_is_replaced(emulator: RunningEmulator, api: httpx.AsyncClient, when: str, runs: int) -> None:
    await emulator.fault(
        method="POST",
        path="/responses$",
        action={"kind": "status", "when": when, "status": 503, "headers": {"retry-after": "2"}, "body": {"error": "x"}},
    )
    answer = await create(api)
    assert (answer.status_code, answer.headers["retry-after"], answer.json()) == (503, "2", {"error": "x"})
    assert accepted(emulator) == runs
    assert (await create(api)).status_code == 200


@pytest.mark.parametrize(("when", "runs"), [("before", 0), ("after", 1)])
async def test_a_connection_is_reset(emulator: RunningEmulator, api: httpx.AsyncClient, when: str, runs: int) -> None:
    await emulator.fault(path="/responses", action={"kind": "reset", "when": when})
    with pytest.raises(httpx.NetworkError):
        await create(api, input="[[never]]")
    assert accepted(emulator) == runs
    assert (await create(api)).status_code == 200


@pytest.mark.parametrize(("when", "runs"), [("before", 0), ("after", 1)])
@pytest.mark.parametrize("kind", ["hang", "delay"])
async def test_an_answer_is_late(
    emulator: RunningEmulator, api: httpx.AsyncClient, kind: str, when: str, runs: int
) -> None:
    await emulator.fault(action={"kind": kind, "when": when, "seconds": 60})
    with pytest.raises(httpx.ReadTimeout):
        await api.post("/responses", json=BODY, timeout=0.2)
    await emulator.started(runs)
    assert accepted(emulator) == runs


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_delayed_answer_arrives(emulator: RunningEmulator, api: httpx.AsyncClient, when: str) -> None:
    await emulator.fault(action={"kind": "delay", "when": when, "seconds": 0.1})
    answer = await create(api)
    assert answer.json()["status"] == "completed"
    assert answer.elapsed.total_seconds() >= 0.1


async def test_a_delayed_request_takes_effect_though_its_client_has_left(
    emulator: RunningEmulator, api: httpx.AsyncClient
) -> None:
    await emulator.fault(action={"kind": "delay", "seconds": 0.3})
    with pytest.raises(httpx.ReadTimeout):
        await api.post("/responses", json=BODY, timeout=0.1)
    [response_id] = await emulator.started()
    assert await emulator.reached(response_id) == "completed"


async def test_a_stream_is_cut(emulator: RunningEmulator, api: httpx.AsyncClient) -> None:
    await emulator.fault(action={"kind": "cut", "chunks": 3})
    seen = ""
    with pytest.raises(httpx.NetworkError):  # noqa: PT012 - the stream breaks while it is read
        async with api.stream("POST", "/responses", json={**BODY, "stream": True}) as answer:
            async for text in answer.aiter_text():
                seen += text
    assert seen.count("event:") <= 3
    [response_id] = emulator.emulator.responses
    assert await emulator.reached(response_id) == "completed"


async def test_a_fault_counts_its_requests(emulator: RunningEmulator, api: httpx.AsyncClient) -> None:
    await emulator.fault(method="POST", skip=1, times=2, action={"kind": "status", "status": 429})
    assert [(await create(api)).status_code for _ in range(4)] == [200, 429, 429, 200]
    assert (await api.get("/models")).status_code == 200
    await emulator.fault(times=None, action={"kind": "status", "body": "down"})
    assert {(await api.get("/models")).text for _ in range(3)} == {"down"}
    await emulator.admin.delete("/faults")
    assert (await api.get("/models")).status_code == 200
    requests = (await emulator.state())["requests"]
    assert [each["status"] for each in requests] == [200, 429, 429, 200, 200, 500, 500, 500, 200]


@pytest.mark.parametrize("route", ["/config", "/faults", "/foreign"])
async def test_mistakes_in_admin_calls_are_named(emulator: RunningEmulator, route: str) -> None:
    answer = await emulator.admin.post(route, json={"latency": 1})
    assert answer.status_code == 400
    assert "latency" in answer.text


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("kind", ["hang", "delay"])
async def test_a_reset_lets_go_of_what_is_held(
    emulator: RunningEmulator, api: httpx.AsyncClient, kind: str, when: str
) -> None:
    await emulator.fault(action={"kind": kind, "when": when, "seconds": 60})
    held = asyncio.create_task(create(api, background=True))
    # Two connections, no order between them: what the server has seen says when the request is there.
    while not [each for each in (await emulator.state())["requests"] if "fault" in each]:
        pass
    await emulator.admin.post("/reset")
    with pytest.raises(httpx.NetworkError):
        await held
    assert accepted(emulator) == 0


async def test_a_reset_forgets_everything(emulator: RunningEmulator, api: httpx.AsyncClient) -> None:
    await create(api, input="[[never]]", background=True)
    await emulator.configure(lock=False)
    await emulator.admin.post("/reset")
    state = await emulator.state()
    assert (state["responses"], state["config"]["lock"]) == ([], True)


@pytest.mark.parametrize(("headers", "code"), [({}, None), ({"Authorization": "Bearer sk-invalid"}, "invalid_api_key")])
async def test_a_key_is_asked_for(emulator: RunningEmulator, headers: dict[str, str], code: str | None) -> None:
    async with local_client(emulator.base_url, **headers) as stranger:
        answer = await stranger.get("/models")
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, code)


@pytest.mark.parametrize("method", ["GET", "PATCH"])
async def test_an_unknown_route_is_a_404(api: httpx.AsyncClient, method: str) -> None:
    answer = await api.request(method, "/responses" if method == "PATCH" else "/nothing")
    assert answer.status_code == 404
    assert answer.json()["error"]["message"].startswith(f"Invalid URL ({method} /v1/")


async def test_a_body_that_is_no_json_is_refused(api: httpx.AsyncClient) -> None:
    assert (await api.post("/responses", content=b"{")).status_code == 400


async def test_the_program_says_where_it_listens_and_stops() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "dev.emulator",
        "--port",
        "0",
        env={**os.environ, "EMULATOR_LATENCY_SECONDS": "0"},
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    line = (await process.stdout.readline()).decode()
    found = re.fullmatch(r"ready (http://127\.0\.0\.1:\d+/v1)\n", line)
    assert found is not None
    async with local_client(found[1], Authorization="Bearer k") as client:
        answer = await client.post("/responses", json=BODY)
        assert answer.json()["status"] == "completed"
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0
