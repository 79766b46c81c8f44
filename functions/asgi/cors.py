"""CORS for exact origins. Callers show a token, never a cookie, so credentials are not allowed to any origin."""

from __future__ import annotations

from collections.abc import Collection, Mapping

METHODS = "DELETE, GET, HEAD, OPTIONS, PATCH, POST"
# What supabase-js and tracing libraries send, and what is ours.
ALLOWED_HEADERS = (
    "accept, apikey, authorization, baggage, content-type, idempotency-key, last-event-id, traceparent, tracestate, "
    "x-client-info, x-region, x-request-id, x-retry-count"
)
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


def preflight_headers() -> dict[str, str]:
    return {
        "access-control-allow-methods": METHODS,
        "access-control-allow-headers": ALLOWED_HEADERS,
        "access-control-max-age": str(MAX_AGE_SECONDS),
    }
