"""A function to launch in tests: says what it was given, and nothing needs to be behind it."""

from __future__ import annotations

import logging
import os

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import JSONResponse

_SHOWN = ("SUPABASE_", "OPENAI_", "ALLOWED_", "PROVIDER")


@functions_framework.aio.http
async def multi_agent_chat(request: Request) -> JSONResponse:
    """Echo the request and the settings."""
    logging.getLogger("toy").warning("seen %s", request.url.path)
    body = (await request.body()).decode()
    settings = {name: value for name, value in os.environ.items() if name.startswith(_SHOWN)}
    return JSONResponse({"path": request.url.path, "body": body, "settings": settings})


@functions_framework.aio.http
async def maintenance(request: Request) -> JSONResponse:
    """Says how it was called; a POST only, the probe of its socket is none."""
    if request.method == "POST":
        logging.getLogger("toy").warning("swept with %s", request.headers.get("authorization"))
    return JSONResponse({}, status_code=200)
