"""The function under the very command that serves it in the cloud: functions-framework, gunicorn, forked worker."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

import functions
from tests.http.conftest import ENVIRONMENT
from tests.http.shapes import ORIGIN, assert_answer, assert_error
from tests.http.test_sockets import parsed
from tests.http.tokens import bearer

ROOT = Path(__file__).parents[2]
NOWHERE = "http://127.0.0.1:9"  # the discard port, on which no server listens


@dataclass
class Deployed:
    port: int
    log: Path
    process: subprocess.Popen[bytes]

    def lines(self) -> list[dict[str, object]]:
        """Everything the process has logged; each line must be JSON."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def send(self, data: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            connection.sendall(data)
            received = b""
            while piece := connection.recv(65_536):
                received += piece
            return received


@contextlib.contextmanager
def deployed(
    directory: Path, source: str, *, target: str = "multi_agent_chat", **environment: str
) -> Iterator[Deployed]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command: list[str | Path] = [Path(sys.executable).with_name("functions-framework"), "--target", target]
    command += ["--source", source, "--host", "127.0.0.1", "--port", str(port)]
    log = directory / "log"
    given = {"PATH": os.environ["PATH"], "HOME": str(directory), "XDG_RUNTIME_DIR": str(directory)} | environment
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, env=given, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            until = time.monotonic() + 60
            while True:
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                    break
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < until, log.read_text()
                time.sleep(0.05)
            yield Deployed(port, log, process)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


@pytest.fixture(scope="module")
def function(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    settings = ENVIRONMENT | {"SUPABASE_URL": NOWHERE, "OPENAI_BASE_URL": NOWHERE}
    with deployed(tmp_path_factory.mktemp("function"), "functions/multi_agent_chat/main.py", **settings) as running:
        yield running


@pytest.fixture
def http(function: Deployed) -> Iterator[httpx.Client]:
    with httpx.Client(
        base_url=f"http://127.0.0.1:{function.port}", headers={"origin": ORIGIN}, trust_env=False
    ) as client:
        yield client


def test_what_is_malformed_is_refused_before_anything_was_built(function: Deployed) -> None:
    assert_error(parsed(function.send(b"GET /x\r\nOrigin: %s\r\n\r\n" % ORIGIN.encode())), 400, "malformed_request")


def test_a_database_that_is_away(http: httpx.Client) -> None:
    headers = bearer(iss=f"{NOWHERE}/auth/v1")
    body = assert_error(http.post("/", json={"message": "x"}, headers=headers), 503, "store_unavailable")
    assert body["retryable"]
    assert_error(http.get("/agents", headers=headers), 503, "store_unavailable")
    report = assert_answer(http.get("/health"), 503)
    assert (report["store"], report["provider"]) == ("database_away", "unavailable")
    assert report["version"] == functions.__version__


def test_keys_that_cannot_be_fetched(http: httpx.Client) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    text = jwt.encode({"sub": "x"}, key, "ES256", headers={"kid": "k1"})
    response = http.get("/agents", headers={"authorization": f"Bearer {text}"})
    assert_error(response, 503, "auth_unavailable")


@pytest.mark.parametrize("method", ["TRACE", "PROPFIND", "QUERY", "PUT", "DELETE", "BREW"])
def test_methods_that_the_framework_has_no_route_for(http: httpx.Client, method: str) -> None:
    response = http.request(method, "/agents")
    assert_error(response, 405, "method_not_allowed")
    assert response.headers["allow"] == "GET, HEAD, OPTIONS, POST"


@pytest.mark.parametrize("target", ["/robots.txt", "/favicon.ico", "/x", "/..", "/%00", "/%ff", "*", "x", "http://h/x"])
def test_paths_that_the_framework_answers_by_itself(function: Deployed, target: str) -> None:
    head = f"GET {target} HTTP/1.1\r\nHost: h\r\nOrigin: {ORIGIN}\r\nConnection: close\r\n\r\n"
    assert_error(parsed(function.send(head.encode())), 404, "not_found")


def test_a_whole_address_is_its_path(function: Deployed) -> None:
    """RFC 9112 3.2.2: a server takes the form that is meant for proxies as well."""
    head = f"GET http://h/agents HTTP/1.1\r\nHost: h\r\nOrigin: {ORIGIN}\r\nConnection: close\r\n\r\n"
    assert_error(parsed(function.send(head.encode())), 401, "missing_token")


def test_a_second_request_hidden_in_the_first_is_not_answered(function: Deployed) -> None:
    hidden = b"GET /agents HTTP/1.1\r\nHost: h\r\n\r\n"
    head = b"POST / HTTP/1.1\r\nHost: h\r\nOrigin: %s\r\n" % ORIGIN.encode()
    head += b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert_error(parsed(function.send(head + b"0\r\n\r\n" + hidden)), 400, "malformed_request")


def test_a_websocket_is_not_offered(function: Deployed) -> None:
    head = (
        f"GET /agents HTTP/1.1\r\nHost: h\r\nOrigin: {ORIGIN}\r\nConnection: close, Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    assert_error(parsed(function.send(head.encode())), 401, "missing_token")


def test_a_preflight(http: httpx.Client) -> None:
    response = http.options("/", headers={"access-control-request-method": "POST"})
    assert response.status_code == 204
    assert response.headers["access-control-allow-origin"] == ORIGIN


def test_every_line_of_the_log_is_json(function: Deployed, http: httpx.Client) -> None:
    http.get("/agents", headers={"x-request-id": "looked-for-1"})
    until = time.monotonic() + 10
    looked_for: list[object] = []
    while not looked_for and time.monotonic() < until:  # the line is written after the answer has left
        looked_for = [line["message"] for line in function.lines() if line.get("request_id") == "looked-for-1"]
    assert looked_for == ["request.answered"]
    assert "canary" not in function.log.read_text()


def test_lines_of_the_log_name_their_execution_where_the_platform_asks_for_it(tmp_path: Path) -> None:
    """The framework then configures logging itself: it disables every logger that exists and wraps sys.stderr."""
    settings = ENVIRONMENT | {"SUPABASE_URL": NOWHERE, "OPENAI_BASE_URL": NOWHERE, "LOG_EXECUTION_ID": "true"}
    with deployed(tmp_path, "main.py", **settings) as running:
        address = f"http://127.0.0.1:{running.port}"
        for number in (1, 2):  # the first request finds the stream of the framework in the place of sys.stderr
            name = {"function-execution-id": f"execution{number}"}
            assert_error(httpx.get(f"{address}/agents", headers=name, trust_env=False), 401, "missing_token")
    answered = [line for line in running.lines() if line["message"] == "request.answered"]
    labels = [line["logging.googleapis.com/labels"] for line in answered]
    assert labels == [{"execution_id": "execution1"}, {"execution_id": "execution2"}]


def test_wrong_settings_are_all_named_at_the_start_and_nothing_is_served(tmp_path: Path) -> None:
    command = [
        str(Path(sys.executable).with_name("functions-framework")),
        "--target",
        "multi_agent_chat",
        "--source",
        "main.py",
    ]
    wrong = {"SUPABASE_URL": "canary.example.com", "LOG_LEVEL": "canary", "PATH": os.environ["PATH"]}
    done = subprocess.run(
        [*command, "--port", "0"], cwd=ROOT, env=wrong, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    (line,) = (json.loads(line) for line in (done.stdout + done.stderr).splitlines() if "settings.refused" in line)
    assert list(line["faults"]) == ["OPENAI_API_KEY", "SUPABASE_URL", "SUPABASE_SECRET_KEY", "LOG_LEVEL"]
    assert "canary" not in done.stdout + done.stderr
