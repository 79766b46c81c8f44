"""Questions to the children over the loopback interface."""

from __future__ import annotations

from typing import Any

import httpx

from dev.errors import DevError

_TIMEOUT_SECONDS = 10.0


def client() -> httpx.AsyncClient:
    """A client that goes past any proxy of the environment: everything asked for is on this machine."""
    return httpx.AsyncClient(trust_env=False, timeout=_TIMEOUT_SECONDS)


async def status_of(http: httpx.AsyncClient, url: str) -> int | None:
    """The status with which a GET is answered; None while nothing answers."""
    try:
        return (await http.get(url)).status_code
    except httpx.TransportError:
        return None


async def report_of(http: httpx.AsyncClient, url: str) -> tuple[int | None, dict[str, Any]]:
    """The status and JSON object with which a GET is answered; None and an empty one while there are none."""
    try:
        answer = await http.get(url)
        body = answer.json()
    except (httpx.TransportError, ValueError):
        return None, {}
    return answer.status_code, body if isinstance(body, dict) else {}


async def sign_in(http: httpx.AsyncClient, supabase: str, key: str, email: str, password: str) -> str:
    """An access token for this user. Raises DevError when there is none."""
    answer = await http.post(
        f"{supabase}/auth/v1/token",
        params={"grant_type": "password"},
        headers={"apikey": key},
        json={"email": email, "password": password},
    )
    if answer.status_code != httpx.codes.OK:
        raise DevError(f"{email} could not sign in: {answer.text}")
    return str(answer.json()["access_token"])
