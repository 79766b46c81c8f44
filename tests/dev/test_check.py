"""`python -m dev.check` against the whole local stack, and against deployments in which something is wrong."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from dev.check import Deployment, check
from dev.supabase_local import DEMO_EMAIL, DEMO_PASSWORD
from tests.e2e.stack import ROOT, Stack, stack

pytestmark = pytest.mark.timeout(300)
ORIGIN = "https://app.example.com"
NAMES = ["health", "allowed origin", "foreign origin", "auth", "turn", "two quick turns", "stream", "resume"]


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with stack(tmp_path_factory.mktemp("check"), "--instances", "2", ALLOWED_ORIGINS=ORIGIN) as running:
        yield running


def checked(address: str, token: str, origin: str = ORIGIN) -> tuple[int, list[str]]:
    """The exit status and the lines."""
    command = [sys.executable, "-m", "dev.check", address, "--origin", origin, "--long-message", "[[slow 2]] one two"]
    environment = {**os.environ, "USER_TOKEN": token}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False
    )  # fmt: skip
    assert not done.stderr
    return done.returncode, done.stdout.splitlines()


def test_the_local_stack_does_everything_through_one_address(started: Stack) -> None:
    token = started.person().headers["authorization"].removeprefix("Bearer ")
    status, lines = checked(f"{started.supabase}/functions/v1/multi-agent-chat", token)
    assert [line[6:22].strip() for line in lines] == NAMES
    assert all(line.startswith("ok    ") for line in lines), lines
    assert status == 0


def test_the_documented_way_to_a_token(started: Stack) -> None:
    (command,) = re.findall(r"^export USER_TOKEN=.*?\)\n(?=```)", (ROOT / "docs/deploy.md").read_text(), re.M | re.S)
    command = command.replace("you@example.com", DEMO_EMAIL).replace("your password", DEMO_PASSWORD)
    where = {"SUPABASE_URL": started.supabase, "PUBLISHABLE_KEY": started.publishable_key}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        f'{command} echo "$USER_TOKEN"', shell=True, env={**os.environ, **where, "PATH": path},
        capture_output=True, text=True, timeout=30, check=True,
    )  # fmt: skip
    status, lines = checked(started.functions[0], done.stdout.strip())
    assert (status, lines[NAMES.index("auth")][:2]) == (0, "ok")


def test_what_is_wrong_is_said_in_one_line_each(started: Stack) -> None:
    status, lines = checked(started.functions[0], "not.a.token", origin="https://other.example.com")
    failed = {line[6:22].strip(): line for line in lines if line.startswith("FAIL")}
    assert list(failed) == ["allowed origin", "auth", "turn", "two quick turns", "stream", "resume"]
    assert "is it in ALLOWED_ORIGINS?" in failed["allowed origin"]
    assert "invalid_token" in failed["turn"]
    assert "not.a.token" not in "".join(lines)
    assert status == 1


def test_an_address_at_which_nothing_listens() -> None:
    status, lines = checked("http://127.0.0.1:9", "a.b.c")
    assert [line[:4] for line in lines] == ["FAIL"] * len(NAMES)
    assert status == 1


async def found(**answers: httpx.Response) -> list[str]:
    """The lines of a deployment that gives these answers, by the last word of the path."""

    def answer(request: httpx.Request) -> httpx.Response:
        return answers.get(request.url.path.rpartition("/")[2] or "root") or httpx.Response(404, text="<html>")

    lines: list[str] = []
    transport = httpx.MockTransport(answer)
    async with httpx.AsyncClient(transport=transport, base_url="https://function.example.com") as http:
        assert not await check(Deployment(http, ORIGIN, "hello", "hello", 1.0), lines.append)
    return lines


async def test_a_front_end_that_answers_in_the_place_of_the_function() -> None:
    lines = await found()
    assert "it did not reach the function" in lines[0]


async def test_a_part_that_is_away_is_named() -> None:
    report = {"status": "unavailable", "version": "1", "store": "ok", "provider": "unavailable"}
    lines = await found(health=httpx.Response(503, json=report))
    assert "provider unavailable" in lines[0]


async def test_a_stream_that_ends_without_its_last_word() -> None:
    cut = 'data: {"type":"start","messageId":"1"}\n\ndata: {"type":"text-delta","delta":"half an ans"}\n\n'
    lines = await found(root=httpx.Response(200, text=cut))
    assert "the stream broke off" in lines[NAMES.index("stream")]
