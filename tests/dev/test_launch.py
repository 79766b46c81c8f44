"""The launcher as other tools drive it: a program with one line on stdout, gone without a trace when told to stop."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from dev.cli import CHECKOUT

HERE = Path(__file__).parent
TOY = HERE / "toy.py"
SERVER = "http://127.0.0.1:9/v1"
_SECONDS = 60.0


class Launched:
    """A launcher under test; what it says on stderr goes to a file."""

    def __init__(self, directory: Path, source: Path, flags: list[str]) -> None:
        self.stderr = directory / "stderr"
        environment = {k: v for k, v in os.environ.items() if k not in ("OPENAI_API_KEY", "ALLOWED_ORIGINS")}
        with self.stderr.open("wb") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.dev.launched", source, *flags],
                cwd=CHECKOUT,
                env={**environment, "PROVIDER": "assistants", "TMPDIR": str(directory)},
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )

    def said(self) -> str:
        return self.stderr.read_text()

    def wait_until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _SECONDS
        while not condition():
            assert time.monotonic() < deadline, self.said()
            time.sleep(0.02)

    def ready(self) -> dict[str, Any]:
        """The JSON line."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.said()
        stack: dict[str, Any] = json.loads(line)
        return stack

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return self.process.wait(_SECONDS)


@pytest.fixture
def launched(tmp_path: Path) -> Iterator[Callable[..., Launched]]:
    """Start launchers; afterwards none of them, and nothing of theirs, is left."""
    started: list[Launched] = []

    def start(*flags: str, source: Path = TOY) -> Launched:
        started.append(Launched(tmp_path, source, ["--db", "postgres", "--port", "0", "--openai", SERVER, *flags]))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.end(signal.SIGTERM)
        one.process.communicate()


def gone(directory: Path) -> bool:
    """Whether no process that got this temporary directory in its environment is left, nor anything in it."""
    mark = f"TMPDIR={directory}".encode()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (process / "environ").read_bytes() and process.name != str(os.getpid()):
                return False
        except OSError:
            continue  # it ended while we looked, or belongs to another user
    return [path.name for path in directory.iterdir()] == ["stderr"]


@contextmanager
def listening(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, trust_env=False, timeout=10) as http:
        yield http


def test_everything_comes_up_survives_a_dead_instance_and_goes_without_a_trace(
    launched: Callable[..., Launched], tmp_path: Path
) -> None:
    one = launched("--instances", "2", "--json")
    stack = one.ready()
    assert list(stack) == ["functions", "supabase", "secret_key", "publishable_key", "jwt_secret", "openai", "web"]
    assert stack["openai"] == SERVER
    first, second = stack["functions"]
    assert int(second.rsplit(":", 1)[1]) == int(first.rsplit(":", 1)[1]) + 1

    with listening(first) as http:
        settings = http.get("/turns/1").json()["settings"]
    assert settings["SUPABASE_URL"] == stack["supabase"]
    assert settings["SUPABASE_SECRET_KEY"] == stack["secret_key"]
    assert settings["SUPABASE_JWT_SECRET"] == stack["jwt_secret"]
    assert (settings["OPENAI_BASE_URL"], settings["PROVIDER"]) == (SERVER, "assistants")
    assert settings["OPENAI_API_KEY"]
    assert stack["web"] in settings["ALLOWED_ORIGINS"].split(",")

    with listening(stack["web"]) as http:
        assert "<title>" in http.get("/").text
        config = http.get("/config.json").json()
    assert config["functionUrl"] == f"{stack['supabase']}/functions/v1/multi-agent-chat"
    assert config["publishableKey"] == stack["publishable_key"]
    assert stack["secret_key"] not in json.dumps(config)

    with listening(stack["supabase"]) as http:
        answer = http.post("/functions/v1/multi-agent-chat", json={"message": "hello"})
    assert (answer.status_code, answer.json()["path"]) == (200, "/functions/v1/multi-agent-chat")
    assert json.loads(answer.json()["body"]) == {"message": "hello"}

    logs = Path(one.said().split("logs are in ")[1].split("\n")[0])
    one.wait_until(lambda: "seen /turns/1" in (logs / "function-1.log").read_text())

    os.kill(group_of(first), signal.SIGKILL)
    one.wait_until(lambda: "function-1 was ended by SIGKILL; the rest keeps running" in one.said())
    with listening(stack["supabase"]) as http:  # the proxy passes the dead one over
        assert [http.get("/functions/v1/x").status_code for _ in range(3)] == [200, 200, 200]

    assert one.end(signal.SIGTERM) == 0
    assert one.process.stdout is not None
    assert one.process.stdout.read() == ""
    one.wait_until(lambda: gone(tmp_path))


def test_ctrl_c_half_way_leaves_nothing_behind(launched: Callable[..., Launched], tmp_path: Path) -> None:
    one = launched("--json")
    one.wait_until(lambda: "starting the local Supabase" in one.said())
    assert one.end(signal.SIGINT) == 1
    assert "stopped before everything was up" in one.said()
    one.wait_until(lambda: gone(tmp_path))


def test_even_a_killed_launcher_leaves_nothing_behind(launched: Callable[..., Launched], tmp_path: Path) -> None:
    one = launched("--json", "--no-web")
    assert one.ready()["web"] is None
    one.end(signal.SIGKILL)
    one.wait_until(lambda: gone(tmp_path))


def test_a_function_that_cannot_start_is_named_with_its_log(launched: Callable[..., Launched], tmp_path: Path) -> None:
    broken = tmp_path.with_name(f"{tmp_path.name}-broken.py")
    broken.write_text("raise RuntimeError('no such setting')\n")
    one = launched("--json", source=broken)
    assert one.process.wait(_SECONDS) == 1
    said = one.said()
    assert "error: function-1 ended with status" in said
    assert "RuntimeError: no such setting" in said
    one.wait_until(lambda: gone(tmp_path))


def group_of(url: str) -> int:
    """The leader of the process group that listens on this port."""
    port = url.rsplit(":", 1)[1].encode()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"--port" in words and words[words.index(b"--port") + 1] == port:
            return os.getpgid(int(process.name))
    raise AssertionError(f"no server listens on {url}")
