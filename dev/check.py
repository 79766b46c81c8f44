"""`python -m dev.check URL --origin ORIGIN`: what a live deployment does, looked at from outside with a user's token.

It says one line for each check and ends with status 1 where one failed. It sends a handful of messages as that user.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import httpx

TOKEN_VARIABLE = "USER_TOKEN"  # noqa: S105  # a variable's name
FOREIGN_ORIGIN = "https://not-allowed.example"
MESSAGE = "Answer with one short sentence."
LONG_MESSAGE = "Write the numbers from one to eighty as words."
QUICK_SECONDS = 0.2  # between the two quick messages
_STREAM = "text/event-stream"

Json = dict[str, Any]


class Failed(Exception):
    """What a check found instead of what it looked for, as a sentence."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """The function at an address. `http` shows the user's token unless told otherwise."""

    http: httpx.AsyncClient
    origin: str
    message: str
    long_message: str
    seconds: float  # that one turn may take

    async def health(self) -> str:
        """Version and parts, as the function itself sees them."""
        report = expect(await self.http.get("/health"), 200, 503)
        parts = " ".join(f"{name} {value}" for name, value in report.items() if name != "status")
        if report.get("status") != "ok":
            raise Failed(parts)
        return parts

    async def allowed_origin(self) -> str:
        """A page of the app may call."""
        preflight, answer = await self._from(self.origin)
        for one in (preflight, answer):
            if one.headers.get("access-control-allow-origin") != self.origin:
                raise Failed(f"{self.origin} may not read: is it in ALLOWED_ORIGINS?")
        if "authorization" not in preflight.headers.get("access-control-allow-headers", ""):
            raise Failed("a page may not send its token")
        return self.origin

    async def foreign_origin(self) -> str:
        """A page of another site may not."""
        for one in await self._from(FOREIGN_ORIGIN):
            if "access-control-allow-origin" in one.headers:
                raise Failed(f"{FOREIGN_ORIGIN} may read")
        return "may not read"

    async def _from(self, origin: str) -> tuple[httpx.Response, httpx.Response]:
        asked = {"access-control-request-method": "POST", "access-control-request-headers": "authorization"}
        preflight = await self.http.options("/", headers={"origin": origin} | asked)
        return preflight, await self.http.get("/health", headers={"origin": origin})

    async def auth(self) -> str:
        """A request without a token or with a wrong one is refused; this user is let in."""
        for given, code in (("", "missing_token"), ("Bearer a.b.c", "invalid_token")):
            refused = expect(await self.http.get("/agents", headers={"authorization": given}), 401)
            if refused.get("code") != code:
                raise Failed(f"{given or 'no token'} is refused with {refused.get('code')}")
        agents = expect(await self.http.get("/agents"), 200)["agents"]
        if not agents:
            raise Failed("there are no agents: supabase db push --remote --include-seed")
        return f"{len(agents)} agents"

    async def turn(self) -> str:
        """A message is answered, and once: the same key gets the same answer."""
        conversation, key = new_id(), new_id()
        first = await self._answered(conversation, self.message, key)
        again = await self._answered(conversation, self.message, key)
        if (again["turn_id"], again["reply"]) != (first["turn_id"], first["reply"]) or not again["replayed"]:
            raise Failed("the same Idempotency-Key was answered twice")
        return f"{first['agent']}: {first['reply']['text'][:60]!r}"

    async def two_quick_turns(self) -> str:
        """Two messages in quick succession are both answered, in order."""
        conversation = new_id()

        async def later() -> Json:
            await asyncio.sleep(QUICK_SECONDS)
            return await self._answered(conversation, self.message, new_id())

        turns = await asyncio.gather(self._answered(conversation, self.message, new_id()), later())
        if [turn["seq"] for turn in turns] != [1, 2]:
            raise Failed(f"they have the numbers {[turn['seq'] for turn in turns]}")
        lines = expect(await self.http.get(f"/conversations/{conversation}/messages"), 200)["messages"]
        if [line["role"] for line in lines] != ["user", "assistant"] * 2:
            raise Failed(f"the transcript is {[line['role'] for line in lines]}")
        return f"the second waited {turns[1]['waited_ms'] / 1000:.1f} s"

    async def stream(self) -> str:
        """An answer comes while it is written, and says that it is whole."""
        begun, first, text = time.monotonic(), 0.0, ""
        async with aclosing(self._parts("POST", "/", self.message, new_id())) as parts:
            async for part in parts:
                if part["type"] == "error":
                    raise Failed(part["errorText"])
                if part["type"] == "text-delta":
                    first = first or time.monotonic() - begun
                    text += part["delta"]
        if not text:
            raise Failed("it had no text")
        return f"first words after {first:.1f} s"

    async def resume(self) -> str:
        """A reader whose connection broke reads the same turn from its beginning."""
        conversation = new_id()
        async with aclosing(self._parts("POST", "/", self.long_message, conversation)) as parts:
            turn_id = (await anext(parts))["messageId"]
        text = ""
        async with aclosing(self._parts("GET", f"/conversations/{conversation}/stream")) as parts:
            async for part in parts:
                text += part["delta"] if part["type"] == "text-delta" else ""
        turn = expect(await self.http.get(f"/turns/{turn_id}"), 200)
        if text != (turn.get("reply") or {}).get("text"):
            raise Failed(f"{len(text)} characters were read of a turn that is {turn['status']}")
        return f"{len(text)} characters, none missing"

    async def _answered(self, conversation: str, message: str, key: str) -> Json:
        """The turn, however often it has to be asked for."""
        body = {"message": message, "conversation_id": conversation}
        until = time.monotonic() + self.seconds
        while True:
            answer = await self.http.post("/", json=body, headers={"idempotency-key": key})
            turn = expect(answer, 200, 202)
            if answer.status_code == httpx.codes.OK:
                return turn
            if time.monotonic() > until:
                raise Failed(f"it is {turn['status']} after {self.seconds:.0f} s")
            await asyncio.sleep(float(answer.headers.get("retry-after", "1")))

    async def _parts(
        self, method: str, path: str, message: str = "", conversation: str = ""
    ) -> AsyncGenerator[Json, None]:
        """The parts of one event stream."""
        body = {"message": message, "conversation_id": conversation} if message else None
        async with self.http.stream(method, path, json=body, headers={"accept": _STREAM}) as answer:
            if answer.status_code == httpx.codes.NO_CONTENT:
                raise Failed("the turn had ended before it could be resumed: name a longer message, --long-message")
            if answer.status_code != httpx.codes.OK:
                await answer.aread()
                expect(answer, 200)
            async for line in answer.aiter_lines():
                data = line.removeprefix("data: ")
                if data == "[DONE]":
                    return
                if data != line:
                    yield json.loads(data)
        raise Failed("the stream broke off")


def expect(answer: httpx.Response, *statuses: int) -> Json:
    """The body of an answer with one of these statuses. Raises Failed."""
    try:
        body = answer.json()
    except ValueError:
        body = {}
    if answer.status_code not in statuses or not isinstance(body, dict):
        said = f"{body.get('code')}: {body.get('message')}" if isinstance(body, dict) and body else answer.text[:80]
        path = answer.request.url.path
        raise Failed(f"{answer.request.method} {path} was answered {answer.status_code} {said} ({request_id(answer)})")
    return body


def request_id(answer: httpx.Response) -> str:
    return answer.headers.get("x-request-id") or "no request id: it did not reach the function"


def new_id() -> str:
    return str(uuid.uuid4())


async def check(deployment: Deployment, say: Callable[[str], None]) -> bool:
    """Make every check, one after the other. Returns whether all of them went well."""
    checks: Sequence[Callable[[], Awaitable[str]]] = (
        deployment.health, deployment.allowed_origin, deployment.foreign_origin, deployment.auth,
        deployment.turn, deployment.two_quick_turns, deployment.stream, deployment.resume,
    )  # fmt: skip
    well = True
    for one in checks:
        begun = time.monotonic()
        try:
            word, found = "ok  ", await one()
        except (Failed, httpx.HTTPError, KeyError, TypeError, ValueError, StopAsyncIteration) as error:
            well = False
            word, found = "FAIL", str(error) if isinstance(error, Failed) else f"{type(error).__name__} {error}"
        name = getattr(one, "__name__", "").replace("_", " ")
        say(f"{word}  {name:<16}{time.monotonic() - begun:6.2f} s  {found}")
    return well


async def main(arguments: Sequence[str] | None = None) -> int:
    """Read the command line. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m dev.check", description="Check a live deployment from outside.")
    parser.add_argument("url", help="the function's address")
    parser.add_argument("--origin", required=True, help="an origin of ALLOWED_ORIGINS")
    parser.add_argument("--token", default=os.environ.get(TOKEN_VARIABLE), help=f"a user's (default: {TOKEN_VARIABLE})")
    parser.add_argument("--message", default=MESSAGE, help="what is asked")
    parser.add_argument("--long-message", default=LONG_MESSAGE, help="what is asked where the answer has to last")
    parser.add_argument("--seconds", type=float, default=180.0, help="that one answer may take (%(default)s)")
    given = parser.parse_args(arguments)
    if not given.token:
        parser.error(f"a user's token is needed: --token, or {TOKEN_VARIABLE}")
    headers = {"authorization": f"Bearer {given.token}"}
    async with httpx.AsyncClient(base_url=given.url.rstrip("/"), headers=headers, timeout=given.seconds) as http:
        deployment = Deployment(http, given.origin, given.message, given.long_message, given.seconds)
        return 0 if await check(deployment, print) else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
