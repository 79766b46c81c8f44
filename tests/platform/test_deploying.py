"""The README's deployment, line by line.

The real supabase CLI pushes into a hosted project's database, gcloud keeps its project in a file, and what was deployed
there runs as processes with exactly those settings and secrets.
"""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest

from dev.emulator.testing import running_emulator
from dev.ports import HOST, free_range
from tests.http.test_deployed import deployed
from tests.platform import gcloud
from tests.platform.hosted import KEYS, LOGIN, ROOT, Project, Server
from tests.platform.readme import commands, push_flags
from tests.platform.supabase_cli import SupabaseCli

pytestmark = pytest.mark.timeout(300)

ORIGIN = "https://your.app"
LONG_MESSAGE = "[[slow 2]] one two three"


@dataclass(frozen=True)
class Place:
    """A checkout of one's own, and the machine that its commands are typed on."""

    checkout: Path
    environment: dict[str, str]

    def run(self, command: str, **more: str) -> str:
        """What the command prints. Its words are the README's."""
        done = subprocess.run(
            command, shell=True, cwd=self.checkout, env=self.environment | more, capture_output=True, text=True,
            timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout

    def cloud(self) -> dict[str, Any]:
        """The project as gcloud keeps it."""
        state: dict[str, Any] = json.loads(Path(self.environment["GCLOUD_STATE"]).read_text())
        return state


@pytest.fixture
def place(tmp_path: Path) -> Place:
    checkout = tmp_path / "checkout"
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in tracked.split():
        if name.startswith(("functions/", "shared/", "dev/", "deploy/", "supabase/")) or "/" not in name:
            (checkout / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, checkout / name)
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, command in {"gcloud": [sys.executable, "-I", "-S", gcloud.__file__], "python": [sys.executable]}.items():
        (programs / name).write_text(f'#!/bin/sh\nexec {shlex.join(str(word) for word in command)} "$@"\n')
        (programs / name).chmod(0o755)
    environment = {"PATH": f"{programs}:/usr/bin:/bin", "HOME": str(tmp_path), "RETRY_SECONDS": "0"}
    return Place(checkout, environment | {"GCLOUD_STATE": str(tmp_path / "gcloud.json"), "PYTHONPATH": str(checkout)})


@pytest.fixture
def project(server: Server) -> Project:
    return server.project("deployed")


@pytest.fixture
def data_api(project: Project, tmp_path: Path) -> Iterator[str]:
    """The address of the hosted project, as the functions see it."""
    (port,) = free_range(1)
    command = [sys.executable, "-m", "dev.data_api", "--dsn", project.dsn(LOGIN), "--port", str(port)]
    keys = {"SECRET_KEY": KEYS.secret, "PUBLISHABLE_KEY": KEYS.publishable, "JWT_SECRET": KEYS.jwt_secret}
    with (tmp_path / "data_api.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **keys}, stdout=log, stderr=log)
    try:
        yield f"http://{HOST}:{port}"
    finally:
        process.terminate()
        process.wait(10)


def fill_in(file: Path, **settings: str) -> None:
    """What a person does to a copy of .env.example."""
    lines = file.read_text().splitlines()
    for name, value in settings.items():
        (at,) = (number for number, line in enumerate(lines) if line.startswith(f"{name}="))
        lines[at] = f"{name}={value}"
    file.write_text("\n".join(lines) + "\n")


def environment_of(state: dict[str, Any], service: dict[str, Any]) -> dict[str, str]:
    """What a service's process finds in its environment."""
    secrets = {name: state["secrets"][stored][-1] for name, stored in service["secrets"].items()}
    variables: dict[str, str] = service["variables"]
    return variables | secrets


def users_token(supabase_url: str) -> str:
    now = int(time.time())
    claims = {"sub": str(uuid.uuid4()), "role": "authenticated", "aud": "authenticated", "iat": now, "exp": now + 600}
    return jwt.encode(claims | {"iss": f"{supabase_url}/auth/v1"}, KEYS.jwt_secret, algorithm="HS256")


async def test_the_readme_gives_a_chat_that_works(
    place: Place, project: Project, data_api: str, supabase: SupabaseCli, tmp_path: Path
) -> None:
    copy, link, push, deploy, check = commands("Deploying")
    async with running_emulator() as emulator:
        place.run(copy)
        fill_in(
            place.checkout / ".env", OPENAI_API_KEY="sk-none", OPENAI_BASE_URL=emulator.base_url, SUPABASE_URL=data_api,
            SUPABASE_SECRET_KEY=KEYS.secret, SUPABASE_JWT_SECRET=KEYS.jwt_secret,
            ALLOWED_ORIGINS=f"{ORIGIN},https://www.your.app",
        )  # fmt: skip
        assert link == "supabase link --project-ref YOUR_PROJECT"  # asks the hosted platform: the push names it instead
        pushed = await asyncio.to_thread(supabase.push, place.checkout, project, *push_flags(push))
        assert pushed.status == 0, pushed
        said = await asyncio.to_thread(place.run, deploy)
        state = place.cloud()

        with ExitStack() as running:
            addresses = {}
            for name, service in state["services"].items():
                (tmp_path / name).mkdir()
                settings, target = environment_of(state, service), service["--function"]
                one = deployed(tmp_path / name, service["--source"] + "/main.py", target=target, **settings)
                addresses[name] = f"http://{HOST}:{running.enter_context(one).port}"

            words = check.replace("https://YOUR_FUNCTION_URL", addresses["multi-agent-chat"])
            assert f"{check.split()[0]} -m dev.check https://" in said  # the script says how to check
            words += f" --long-message {shlex.quote(LONG_MESSAGE)}"
            lines = await asyncio.to_thread(place.run, words, USER_TOKEN=users_token(data_api))
            assert [line[:2] for line in lines.splitlines()] == ["ok"] * 8, lines

            (job,) = state["jobs"].values()
            name, _, value = job["header"].partition(": ")
            async with httpx.AsyncClient(trust_env=False, timeout=60) as http:
                answer = await http.request(
                    job["--http-method"], addresses["multi-agent-chat-sweep"], headers={name: value}
                )
            assert (answer.status_code, answer.json()["left"]) == (200, 0)
