"""The Dockerfile's steps in a clean environment: what they make answers, as another user, with nothing to write to."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

import functions
from tests.e2e.stack import ROOT, Stack, stack
from tests.platform.image import Image, build, running, steps_of

pytestmark = pytest.mark.timeout(400)
DOCKERFILE = ROOT / "deploy/Dockerfile"
SWEEP_SECRET = "secret-of-the-sweep"


@pytest.fixture(scope="module")
def image() -> Iterator[Image]:
    place = Path(tempfile.mkdtemp(prefix="image-"))  # pytest's own directories are closed to other users
    place.chmod(0o755)
    try:
        yield build(DOCKERFILE, ROOT, place / "root")
    finally:
        shutil.rmtree(place)


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with stack(tmp_path_factory.mktemp("image")) as running_stack:
        yield running_stack


@contextlib.contextmanager
def serving(image: Image, log: Path, stack: Stack, **more: str) -> Iterator[str]:
    """The address at which the image's command answers, beside the database and the provider of the stack."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {
        "PORT": str(port),
        "SUPABASE_URL": stack.supabase,
        "SUPABASE_SECRET_KEY": stack.secret_key,
        "SUPABASE_JWT_SECRET": stack.jwt_secret,
        "OPENAI_BASE_URL": stack.openai,
        "OPENAI_API_KEY": "sk-none",
    }
    with running(image, log, **settings, **more) as process:
        until = time.monotonic() + 60
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"


def files_below(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*")}


def test_it_answers_as_a_user_who_can_write_nowhere(image: Image, started: Stack, tmp_path: Path) -> None:
    before, log = files_below(image.root), tmp_path / "log"
    token = started.person(0).headers["authorization"]
    with (
        serving(image, log, started) as url,
        httpx.Client(base_url=url, headers={"authorization": token}, timeout=60, trust_env=False) as http,
    ):
        report = http.get("/health")
        assert report.status_code == 200, report.text
        assert report.json()["version"] == functions.__version__
        turn = http.post("/", json={"message": "hello", "conversation_id": str(uuid.uuid4())})
        assert turn.status_code == 200, turn.text
        assert turn.json()["reply"]["text"] == "Emulated reply 1 to: hello"
    assert files_below(image.root) == before
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line for line in lines if line["severity"] in ("WARNING", "ERROR")] == []
    assert "request.answered" in {line["message"] for line in lines}


def test_the_same_image_is_the_scheduled_function(image: Image, started: Stack, tmp_path: Path) -> None:
    named = {"FUNCTION_TARGET": "maintenance", "MAINTENANCE_SECRET": SWEEP_SECRET}
    with serving(image, tmp_path / "log", started, **named) as url:
        answer = httpx.post(f"{url}/", headers={"authorization": f"Bearer {SWEEP_SECRET}"}, timeout=60)
        assert (answer.status_code, answer.json()["swept"]) == (200, 0)


def test_it_does_not_run_as_root(image: Image) -> None:
    user, group = (int(part) for part in image.user.split(":"))
    assert user >= 1000 <= group
    if os.geteuid() == 0:
        done = subprocess.run(["/usr/bin/test", "-w", image.path(".")], user=user, group=group, check=False)
        assert done.returncode == 1


def test_everything_in_it_is_compiled(image: Image) -> None:
    compiled = {path.parent.parent / f"{path.name.partition('.')[0]}.py" for path in image.root.rglob("*.pyc")}
    ours = [*image.path(".").glob("*.py"), *image.path("functions").rglob("*.py"), *image.path("shared").rglob("*.py")]
    assert len(ours) > 50
    assert [path for path in ours if path not in compiled] == []
    assert any(path.match("site-packages/httpx/_client.py") for path in compiled)


def test_nothing_is_installed_that_the_function_does_not_need(image: Image) -> None:
    installed = {path.name.partition("-")[0] for path in image.root.rglob("*.dist-info")}
    assert "functions_framework" in installed
    assert not installed & {"multi_agent_chat", "pytest", "mypy", "ruff", "hypothesis"}
    assert all("--require-hashes" in rest for word, rest in steps_of(DOCKERFILE) if word == "RUN" and "pip" in rest)


def test_the_upload_to_cloud_run_is_what_the_image_holds(image: Image) -> None:
    def listed(*flags: str) -> set[str]:
        command = ["git", "ls-files", "--cached", *flags]
        return set(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines())

    assert not (ROOT / "Dockerfile").exists()  # gcloud would build from it instead, and refuse --base-image
    uploaded = listed() - listed("--ignored", "--exclude-from=.gcloudignore")
    held = {str(path.relative_to(image.path("."))) for path in image.path(".").rglob("*") if path.is_file()}
    assert uploaded == {name for name in held if not name.endswith(".pyc")}
