"""One request, one answer, one deadline: what both adapters send through.

The requests are the OpenAI client's own (authentication, base URL, headers), sent raw: its resource classes cost up to
a second of import time and its typed models trust the server. Every failure leaves as an error of core/errors.py.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

import httpx

from shared.core.errors import ChatError, OutcomeUnknown, ProviderRefused
from shared.providers.refusals.classify import from_answer, from_transport
from shared.providers.sse import EventParser, EventTooLarge, ServerEvent
from shared.providers.text import is_path_step

if TYPE_CHECKING:
    from openai import AsyncOpenAI
    from openai._types import RequestOptions

MAX_BODY_BYTES = 16 * 1024 * 1024
MAX_ERROR_BYTES = 256 * 1024
TOO_LARGE = "size"  # what the details of an error are `about` where an answer was larger than that
CONNECT_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Answer:
    """A 2xx with a JSON object in it."""

    body: dict[str, Any]
    headers: Mapping[str, str]


class EventSource:
    """An open stream. The bytes of one read may hold no event, or several."""

    def __init__(self, response: httpx.Response) -> None:
        self.status = response.status_code
        self.headers: Mapping[str, str] = response.headers
        self._response = response
        self._bytes = response.aiter_bytes()
        self._parser = EventParser()
        self.finished = False  # the server has ended the stream; False where it broke off

    async def read(self) -> list[ServerEvent] | None:
        """The events of the next bytes; None where the stream has ended or broken off."""
        try:
            return self._parser.feed(await anext(self._bytes))
        except StopAsyncIteration:
            self.finished = True
            return None
        except (EventTooLarge, httpx.HTTPError, httpx.StreamError, OSError):
            return None

    async def close(self) -> None:
        with contextlib.suppress(httpx.HTTPError, OSError):
            await self._response.aclose()


class Wire:
    """Sends over the caller's `AsyncOpenAI`, which must run on an `httpx.AsyncClient`; never retries.

    `timeout_seconds` bounds each exchange as a whole, connecting and a slowly dripping body included.
    """

    def __init__(self, client: AsyncOpenAI, timeout_seconds: float, headers: Mapping[str, str] | None = None) -> None:
        # The client's only handle on the caller's pool; its own sending would read error bodies without a bound.
        pool: object = client._client
        if not isinstance(pool, httpx.AsyncClient):
            raise TypeError("the OpenAI client must be given an httpx.AsyncClient as http_client")
        sender: Any = _BoundedSender(pool)  # typed by the client as its vendored httpx, accepted as the real one
        self._client = client.with_options(http_client=sender, max_retries=0)
        self._timeout_seconds = timeout_seconds
        self._headers = dict(headers or {})

    async def get(
        self, *path: str, query: Mapping[str, str | int] | None = None, seconds: float | None = None
    ) -> Answer:
        return _read(await self._exchange("GET", path, None, query, seconds))

    async def content(self, *path: str) -> bytes:
        """What an answer holds that is no JSON."""
        return (await self._exchange("GET", path, None, None, None)).content

    async def post(self, *path: str, body: Mapping[str, Any], seconds: float | None = None) -> Answer:
        return _read(await self._exchange("POST", path, body, None, seconds))

    async def open(
        self,
        method: str,
        *path: str,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, str | int] | None = None,
        seconds: float | None = None,
    ) -> Answer | EventSource:
        """A stream of events, its head within `seconds`; or the plain answer of a server that does not stream."""
        response = await self._exchange(method, path, body, query, seconds, stream=True)
        return _read(response) if response.is_closed else EventSource(response)

    async def delete(self, *path: str) -> None:
        await self._exchange("DELETE", path, None, None, None)

    async def answers(self, *path: str, seconds: float) -> bool:
        """Whether the server says anything below 500 within `seconds`."""
        try:
            await self._exchange("GET", path, None, None, seconds)
        except ChatError as error:
            status = getattr(error, "status", None)
            return status is not None and status < 500
        return True

    async def _exchange(
        self,
        method: str,
        path: tuple[str, ...],
        body: Mapping[str, Any] | None,
        query: Mapping[str, str | int] | None,
        seconds: float | None,
        *,
        stream: bool = False,
    ) -> httpx.Response:
        if not all(map(is_path_step, path)):
            raise ProviderRefused("An id that cannot be part of an address was not sent.")
        limit = self._timeout_seconds if seconds is None else seconds
        # Waiting for a connection and making one end before the whole does, so that running out of time here
        # is known for what it is: nothing was sent.
        pace = min(CONNECT_SECONDS, limit * 0.3)
        options: RequestOptions = {
            "headers": self._headers,
            # Of a stream only the head is bounded here: who reads it bounds its silence.
            "timeout": httpx.Timeout(limit, connect=pace, pool=pace, read=None if stream else limit),  # type: ignore[typeddict-item]
        }
        send: Any = self._client
        how: dict[str, Any] = {"cast_to": httpx.Response, "options": options}
        if stream:
            how |= {"stream": True, "stream_cls": object}
        if query:
            options["params"] = dict(query)
        address = "/" + "/".join(quote(step, safe="") for step in path)
        try:
            async with asyncio.timeout(limit):
                match method:
                    case "GET":
                        response = await send.get(address, **how)
                    case "DELETE":
                        response = await send.delete(address, **how)
                    case _:
                        response = await send.post(address, body=body, **how)
                return cast(httpx.Response, response)
        except ChatError:
            raise
        except TimeoutError as error:
            raise OutcomeUnknown(f"The provider did not answer within {limit:g} s.") from error
        except Exception as error:
            # The sender has typed every failure of the network; what is left failed before the network was reached.
            raise ProviderRefused(f"The request could not be built ({type(error).__name__}).") from error


class _BoundedSender(httpx.AsyncClient):
    """Stands between the OpenAI client and the shared pool: bounds what is read and types what went wrong."""

    def __init__(self, pool: httpx.AsyncClient) -> None:
        super().__init__(transport=_NoTransport(), trust_env=False)
        self._pool = pool

    def build_request(self, *args: Any, **kwargs: Any) -> httpx.Request:
        return self._pool.build_request(*args, **kwargs)

    async def send(self, request: httpx.Request, **kwargs: Any) -> httpx.Response:
        wants_events, kwargs["stream"] = kwargs.get("stream") is True, True
        try:
            response = await self._pool.send(request, **kwargs)
        except Exception as error:
            raise from_transport(error) from error
        if wants_events and response.is_success and "event-stream" in response.headers.get("content-type", ""):
            return response
        try:
            body = await _bounded_body(response)
        except ChatError:
            raise
        except Exception as error:
            if response.is_success:
                raise from_transport(error) from error
            body = b""  # the status is known, and it says more than a broken body
        finally:
            await response.aclose()
        if not response.is_success:
            raise from_answer(response.status_code, response.headers, body)
        headers = [(name, value) for name, value in response.headers.items() if name not in _BODY_HEADERS]
        return httpx.Response(response.status_code, headers=headers, content=body, request=request)


_BODY_HEADERS = frozenset({"content-encoding", "content-length", "transfer-encoding"})


class _NoTransport(httpx.AsyncBaseTransport):
    """Never used: an own transport spares the sender an SSL context of its own."""


async def _bounded_body(response: httpx.Response) -> bytes:
    limit = MAX_BODY_BYTES if response.is_success else MAX_ERROR_BYTES
    parts = bytearray()
    async for part in response.aiter_bytes():
        parts += part
        if len(parts) > limit:
            if response.is_success:
                told = "The provider's answer is too large to be read."
                raise OutcomeUnknown(told, status=response.status_code, details={"about": TOO_LARGE})
            del parts[limit:]
            break
    return bytes(parts)


def _read(response: httpx.Response) -> Answer:
    try:
        body = json.loads(response.content.decode("utf-8-sig", "replace"))
    except (ValueError, RecursionError) as error:
        raise OutcomeUnknown("The provider's answer cannot be read.", status=response.status_code) from error
    if not isinstance(body, dict):
        raise OutcomeUnknown("The provider's answer is no object.", status=response.status_code)
    if body.get("error") and "id" not in body and "data" not in body:
        raise from_answer(response.status_code, response.headers, response.content)
    return Answer(body, response.headers)
