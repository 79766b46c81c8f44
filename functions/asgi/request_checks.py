"""What is checked of a request before its route is looked at: sizes, doubled headers, path, Accept."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Sequence

from starlette.datastructures import Headers

from shared.core.error_codes import ErrorCode
from shared.core.errors import InvalidRequest

MAX_URL_BYTES = 8 * 1024
MAX_HEADER_BYTES = 32 * 1024
MAX_HEADERS = 100
# RFC 9110 5.3: fields that are not lists; two of them mean two readers may believe different ones.
SINGLE = frozenset(
    b"access-control-request-method apikey authorization content-encoding content-length content-location "
    b"content-range content-type date from host idempotency-key last-event-id max-forwards origin "
    b"proxy-authorization range referer traceparent transfer-encoding user-agent x-cloud-trace-context".split()
)
PREFIXES = ("/functions/v1", "/multi-agent-chat")

_REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{7,63}")
_ADDRESS = re.compile(r"^https?://[^/]+", re.IGNORECASE)
_SLASHES = re.compile(r"/{2,}")
_QUALITY = re.compile(r"(?:0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)")


def request_id(headers: Headers) -> str:
    """The caller's id where it sent exactly one that is short and clean; else a new one."""
    given = headers.getlist("x-request-id")
    return given[0] if len(given) == 1 and _REQUEST_ID.fullmatch(given[0]) else uuid.uuid4().hex


def split_path(path: str) -> tuple[str, str]:
    """The prefix a platform or client put before our routes, and the route. Routes need no escapes: none is decoded.

    A client may send the whole address as its target (RFC 9112 3.2.2); which host it names changes nothing here.
    """
    prefix, rest = "", _SLASHES.sub("/", _ADDRESS.sub("", path, count=1))
    for known in PREFIXES:
        if rest == known or rest.startswith(f"{known}/"):
            prefix, rest = prefix + known, rest[len(known) :]
    return prefix, rest or "/"


def check_sizes(url_bytes: int, headers: Iterable[tuple[bytes, bytes]]) -> None:
    """Raises InvalidRequest: `uri_too_long`, `headers_too_large`."""
    if url_bytes > MAX_URL_BYTES:
        raise InvalidRequest(f"The address is longer than {MAX_URL_BYTES} bytes.", code=ErrorCode.URI_TOO_LONG)
    sizes = [len(name) + len(value) + 4 for name, value in headers]  # ": " and the line's end
    if len(sizes) > MAX_HEADERS or sum(sizes) > MAX_HEADER_BYTES:
        message = f"More than {MAX_HEADERS} headers or {MAX_HEADER_BYTES} bytes of them."
        raise InvalidRequest(message, code=ErrorCode.HEADERS_TOO_LARGE)


def check_single(headers: Iterable[tuple[bytes, bytes]]) -> None:
    """Raises InvalidRequest: `duplicate_header`; and `malformed_request` where two headers frame the body."""
    seen: set[bytes] = set()
    for name, _ in headers:
        if name in SINGLE and name in seen:
            raise InvalidRequest(
                code=ErrorCode.DUPLICATE_HEADER,
                details={"field": name.decode("ascii")},
            )
        seen.add(name)
    if {b"content-length", b"transfer-encoding"} <= seen:
        message = "Content-Length and Transfer-Encoding exclude each other."
        raise InvalidRequest(message, code=ErrorCode.MALFORMED_REQUEST)


def chosen(headers: Headers, offers: Sequence[str]) -> str:
    """The media type among `offers` that the caller wants most; of equals the first. Without an Accept, the first.

    Raises InvalidRequest: `not_acceptable`.
    """
    ranges = [part for value in headers.getlist("accept") for part in value.split(",") if part.strip()]
    if not ranges:
        return offers[0]
    wanted = [(_wanted(ranges, offer), offer) for offer in offers]
    (quality, _), best = max(wanted, key=lambda pair: pair[0])
    if quality == 0:
        raise InvalidRequest(f"Only {' or '.join(offers)} can be sent.", code=ErrorCode.NOT_ACCEPTABLE)
    return best


def _wanted(ranges: Iterable[str], offer: str) -> tuple[float, int]:
    """How much, and how exactly, a media type is asked for: the most specific range that covers it decides."""
    best = (-1, 0.0)
    for media_range in ranges:
        media_type, *parameters = (part.strip().lower() for part in media_range.split(";"))
        rank = {"*/*": 0, f"{offer.partition('/')[0]}/*": 1, offer: 2}.get(media_type, -1)
        if rank >= 0:
            best = max(best, (rank, _quality(parameters)))
    return best[1], best[0]


def _quality(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            return float(value) if _QUALITY.fullmatch(value.strip()) else 0.0
    return 1.0
