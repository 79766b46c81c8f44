"""What the network can do to a create, over real sockets: definite only where nothing can have been sent."""

import asyncio
import json
import socket
import ssl
import tracemalloc
from typing import Any

import httpx
import pytest

from shared.core.errors import NotSent, OutcomeUnknown, ProviderError, ProviderRefused, RateLimited
from shared.core.runs import RunState, Thread
from shared.ports import Provider
from shared.providers import wire
from shared.providers.refusals.classify import from_transport
from tests.providers.making import TURN, answer, assistants, openai_client, raw_server, responses, start

RUN = json.dumps({"id": "run_1", "status": "queued"}).encode()


def both(client: Any, seconds: float) -> list[Provider]:
    # Without background a create on the Responses wire may last as long as a run: the same deadline then.
    return [assistants(client, seconds), responses(client, seconds, budget=seconds, background="off")]


async def create(provider: Provider) -> RunState:
    return await provider.start_run(start(Thread(provider.name, "thread_1")))


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (httpx.ConnectError("refused"), NotSent),
        (httpx.ConnectTimeout("slow"), NotSent),
        (httpx.PoolTimeout("full"), NotSent),
        (httpx.ProxyError("no"), NotSent),
        (httpx.UnsupportedProtocol("gopher"), NotSent),
        (ConnectionRefusedError(), NotSent),
        (socket.gaierror(), NotSent),
        (ssl.SSLCertVerificationError(), NotSent),
        (httpx.ReadTimeout("slow"), OutcomeUnknown),
        (httpx.WriteTimeout("slow"), OutcomeUnknown),
        (httpx.ReadError("reset"), OutcomeUnknown),
        (httpx.WriteError("reset"), OutcomeUnknown),
        (httpx.RemoteProtocolError("gone"), OutcomeUnknown),
        (httpx.LocalProtocolError("odd"), OutcomeUnknown),
        (httpx.DecodingError("gzip"), OutcomeUnknown),
        (ConnectionResetError(), OutcomeUnknown),
        (ssl.SSLError("read"), OutcomeUnknown),
        (TimeoutError(), OutcomeUnknown),
    ],
)
def test_only_what_cannot_have_left_is_not_sent(error: Exception, kind: type[ProviderError]) -> None:
    wrapped = RuntimeError("an SDK's own")
    wrapped.__cause__ = error

    assert type(from_transport(error)) is kind
    assert type(from_transport(wrapped)) is kind


def test_what_happened_before_sending_does_not_decide_what_happened_after() -> None:
    error = httpx.ReadError("reset")
    error.__context__ = httpx.ConnectError("the first of two addresses")

    assert type(from_transport(error)) is OutcomeUnknown


async def test_a_refused_connection_is_not_sent() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: refuses
        async with openai_client(f"http://127.0.0.1:{taken.getsockname()[1]}/v1") as client:
            for provider in both(client, 5):
                with pytest.raises(NotSent):
                    await create(provider)
                assert await provider.ping() is False


async def test_a_name_that_does_not_resolve_is_not_sent() -> None:
    async with openai_client("http://no-such-host.invalid/v1") as client:
        with pytest.raises(NotSent):
            await create(assistants(client))


async def test_tls_with_a_server_that_has_none_is_not_sent() -> None:
    async with raw_server(b"HTTP/1.1 400 Bad Request\r\n\r\n") as (_, plain):
        port = httpx.URL(str(plain.base_url)).port
        async with openai_client(f"https://127.0.0.1:{port}/v1") as client:
            with pytest.raises(NotSent):
                await create(assistants(client))


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param((), id="nothing"),
        pytest.param((b"HTTP/1.1 200 OK\r\n",), id="half-a-head"),
        pytest.param((answer(RUN, length=500),), id="half-a-body"),
        pytest.param((b"220 mail.example ESMTP\r\n",), id="another-protocol"),
        pytest.param((answer(b""),), id="empty"),
        pytest.param((answer(b"<html>"),), id="html"),
        pytest.param((answer(RUN[:-4]),), id="cut-json"),
        pytest.param((answer(b'"run_1"'),), id="a-string"),
        pytest.param((answer(b"[]"),), id="a-list"),
        pytest.param((answer(b'{"object": "run"}'),), id="no-id"),
        pytest.param((answer(b'{"id": null, "status": "queued"}'),), id="null-id"),
        pytest.param((answer(b'{"a":' * 60_000),), id="deep"),
        pytest.param((answer(b'{"id": "run_1", "status": "queued", "n": ' + b"9" * 6000 + b"}"),), id="huge-number"),
        pytest.param(
            (b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\nnope",), id="broken-gzip"
        ),
        pytest.param((answer(b"oops", "500 Internal Server Error"),), id="500"),
        pytest.param((answer(b"", "408 Request Timeout"),), id="408"),
        pytest.param((answer(b"", "504 Gateway Timeout"),), id="504"),
    ],
)
@pytest.mark.parametrize("then", ["close", "reset"])
async def test_what_breaks_after_sending_leaves_the_outcome_open(pieces: tuple[bytes, ...], then: str) -> None:
    async with raw_server(*pieces, then=then) as (server, client):
        for count, provider in enumerate(both(client, 5), start=1):
            with pytest.raises(OutcomeUnknown):
                await create(provider)
            assert len(server.requests) == count, "a create is never repeated"


@pytest.mark.parametrize("pieces", [(), (b"HTTP/1.1 200 OK\r\n",), (answer(RUN, length=500),)])
async def test_a_server_that_falls_silent_is_left_in_time(pieces: tuple[bytes, ...]) -> None:
    async with raw_server(*pieces, then="hang") as (_, client):
        for provider in both(client, 0.3):
            began = asyncio.get_running_loop().time()
            with pytest.raises(OutcomeUnknown):
                await create(provider)
            assert 0.2 < asyncio.get_running_loop().time() - began < 1.5


async def test_a_body_that_drips_is_left_in_time() -> None:
    drops = [answer(b"", length=10_000), *([b" "] * 400)]
    async with raw_server(*drops, pause=0.02) as (_, client):
        for provider in both(client, 0.3):
            began = asyncio.get_running_loop().time()
            with pytest.raises(OutcomeUnknown):
                await create(provider)
            assert asyncio.get_running_loop().time() - began < 1.5


async def test_a_refusal_counts_although_its_body_is_broken() -> None:
    async with raw_server(answer(b'{"error', "401 Unauthorized", length=500)) as (_, client):
        with pytest.raises(ProviderRefused) as refused:
            await create(assistants(client))
        assert refused.value.code == "provider_auth"


async def test_a_refusal_is_sent_once_and_carries_its_wait() -> None:
    busy = b"HTTP/1.1 429 Too Many Requests\r\nretry-after: 3\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    async with raw_server(busy) as (server, client):
        with pytest.raises(RateLimited) as limited:
            await create(assistants(client))
        assert limited.value.retry_after == 3
        assert len(server.requests) == 1


@pytest.mark.parametrize("status", ["200 OK", "400 Bad Request"])
async def test_a_body_without_end_is_not_read_to_its_end(status: str) -> None:
    chunk = b"x" * 1024 * 1024
    async with raw_server(answer(b'{"id": "', status, length=10**12), *([chunk] * 200)) as (_, client):
        tracemalloc.start()
        try:
            with pytest.raises(OutcomeUnknown if status.startswith("2") else ProviderRefused):
                await create(assistants(client, 20))
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert peak < 4 * wire.MAX_BODY_BYTES


async def test_the_key_travels_and_nothing_is_left_of_it_in_an_error() -> None:
    text = b'{"error": {"message": "Incorrect API key provided: sk-test.", "code": "invalid_api_key"}}'
    async with raw_server(answer(text, "401 Unauthorized")) as (server, client):
        with pytest.raises(ProviderRefused) as refused:
            await create(assistants(client))
    assert b"authorization: Bearer sk-test" in server.requests[0]
    assert b"OpenAI-Beta: assistants=v2".lower() in server.requests[0].lower()
    assert "sk-test" not in f"{refused.value.message} {refused.value.details}"


async def test_ids_keep_their_place_in_the_path() -> None:
    """What could lead elsewhere is not sent: see tests/security/test_foreign_words.py."""
    async with raw_server(answer(RUN)) as (server, client):
        await assistants(client).get_run(Thread("assistants", "a@b;c"), "r=\u00e9", TURN, with_text=False)
    assert server.requests[0].startswith(b"GET /v1/threads/a%40b%3Bc/runs/r%3D%C3%A9 HTTP/1.1")


async def test_an_id_too_long_to_be_sent_is_refused_before_anything_is() -> None:
    async with raw_server(answer(RUN)) as (server, client):
        with pytest.raises(ProviderRefused):
            await assistants(client).get_run(Thread("assistants", "t"), "r" * 200_000, TURN)
        assert not server.requests


async def test_a_pool_without_a_free_connection_is_not_sent() -> None:
    async with raw_server(then="hang") as (server, client):
        limits = httpx.Limits(max_connections=1)
        pool: Any = httpx.AsyncClient(limits=limits, trust_env=False)
        async with client.with_options(http_client=pool) as narrow:
            provider = assistants(narrow, 1)
            first = asyncio.ensure_future(create(provider))
            await server.asked.wait()
            with pytest.raises(NotSent):
                await create(provider)
            with pytest.raises(OutcomeUnknown):
                await first


@pytest.mark.parametrize(
    ("status", "alive"), [("200 OK", True), ("404 Not Found", True), ("401 x", True), ("503 x", False)]
)
async def test_ping(status: str, alive: bool) -> None:
    async with raw_server(answer(b"{}", status)) as (_, client):
        for provider in both(client, 5):
            assert await provider.ping() is alive
