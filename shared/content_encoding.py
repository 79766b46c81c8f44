"""What a compressed answer of another server may cost: plain ones are asked for, others inflated piece by piece.

A few kilobytes of gzip inside gzip become gigabytes, and a decoder that is given a whole chunk makes all of it at once,
with the event loop standing still meanwhile. Readers bound what they read; here each piece that they get is bounded.
"""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator

import httpx

PLAIN = {"accept-encoding": "identity"}
PIECE_BYTES = 64 * 1024
_WINDOWS = {"gzip": 16 + zlib.MAX_WBITS, "x-gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}


async def inflate_bounded(response: httpx.Response) -> None:
    """An event hook of an httpx client. Raises DecodingError for an encoding inside another, and for an unknown one."""
    encodings = [each.strip().lower() for each in response.headers.get("content-encoding", "").split(",")]
    named = [each for each in encodings if each not in ("", "identity")]
    if not named:
        return
    if len(named) > 1 or named[0] not in _WINDOWS or not isinstance(response.stream, httpx.AsyncByteStream):
        await response.aclose()
        raise httpx.DecodingError("an answer in an encoding that was not asked for", request=response.request)
    response.stream = _Inflated(response.stream, _WINDOWS[named[0]], response.request)
    del response.headers["content-encoding"]
    response.headers.pop("content-length", None)


class _Inflated(httpx.AsyncByteStream):
    def __init__(self, stream: httpx.AsyncByteStream, window: int, request: httpx.Request) -> None:
        self._stream, self._window, self._request = stream, window, request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        inflater = zlib.decompressobj(self._window)
        async for chunk in self._stream:
            left = chunk
            while left:
                try:
                    piece = inflater.decompress(left, PIECE_BYTES)
                except zlib.error:
                    raise httpx.DecodingError("an answer that is not what it says", request=self._request) from None
                left = inflater.unconsumed_tail
                if piece:
                    yield piece

    async def aclose(self) -> None:
        await self._stream.aclose()
