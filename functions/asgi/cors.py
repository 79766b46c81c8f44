"""CORS for exact origins. Callers show a token, never a cookie, so credentials are not allowed to any origin."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

METHODS = "DELETE, GET, HEAD, OPTIONS, PATCH, POST"
# What supabase-js and tracing libraries send, and what is ours.
ALLOWED_HEADERS = (
    "accept, apikey, authorization, baggage, content-type, idempotency-key, last-event-id, traceparent, tracestate, "
    "x-client-info, x-region, x-request-id, x-retry-count"
)
MAX_ASKED_HEADERS = 64
_HEADER_NAME = re.compile(r"[0-9A-Za-z!#$%&'+.^_`|~-]{1,64}")  # of RFC 9110, but for the star, which means all
EXPOSED_HEADERS = "location, retry-after, x-request-id, x-vercel-ai-ui-message-stream"
MAX_AGE_SECONDS = 7200


def cors_headers(origin: str | None, allowed: Collection[str]) -> dict[str, str]:
    """For every answer: which origin may read it. `Vary` also where none may, so that no cache mixes them up."""
    headers = {"vary": "Origin"}
    if origin is not None and origin in allowed:
        headers |= {"access-control-allow-origin": origin, "access-control-expose-headers": EXPOSED_HEADERS}
    return headers


def is_preflight(method: str, headers: Mapping[str, str]) -> bool:
    return method == "OPTIONS" and "origin" in headers and "access-control-request-method" in headers


def preflight_headers(origin: str | None, allowed: Collection[str], asked: str) -> dict[str, str]:
    """The answer to a preflight. An allowed origin's page may send whichever headers it asks for: libraries for tracing
    and error reports add their own, and no header has a meaning here that its caller must be kept from.
    """
    names = ALLOWED_HEADERS.split(", ")
    if origin is not None and origin in allowed:
        given = [name.strip().lower() for name in asked.split(",")][:MAX_ASKED_HEADERS]
        names += [name for name in dict.fromkeys(given) if _HEADER_NAME.fullmatch(name) and name not in names]
    return {
        "access-control-allow-methods": METHODS,
        "access-control-allow-headers": ", ".join(names),
        "vary": "Origin, Access-Control-Request-Headers",
        "access-control-max-age": str(MAX_AGE_SECONDS),
    }
