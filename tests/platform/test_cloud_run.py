"""deploy/cloud_run.sh against a gcloud that keeps a project in a file."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.stack import ROOT
from tests.platform import gcloud

SCRIPT = ROOT / "deploy/cloud_run.sh"
ORIGINS = "https://app.example.com,https://www.example.com"
SECRETS = {"OPENAI_API_KEY": "sk-canary-1", "SUPABASE_SECRET_KEY": "sb_secret_canary-2"}
SETTINGS = SECRETS | {"SUPABASE_URL": "https://abc.supabase.co", "ALLOWED_ORIGINS": ORIGINS, "LOG_LEVEL": "WARNING"}
KEY, SUPABASE_KEY, SWEEP = (f"multi-agent-chat-{name}" for name in ("openai-api-key", "supabase-secret-key", "sweep"))
MAINTENANCE = "multi-agent-chat-maintenance-secret"


@dataclass
class Project:
    """A Google Cloud project and the machine from which it is deployed."""

    directory: Path

    def deploy(self, *flags: str, ok: bool = True, **settings: str) -> str:
        file = self.directory / "env"
        file.write_text("".join(f"{name}={value}\n" for name, value in (SETTINGS | settings).items()))
        command = [str(SCRIPT), "--region", "europe-west1", "--project", "my-project", "--env-file", str(file), *flags]
        environment = {
            "PATH": f"{self.directory}:{os.environ['PATH']}",
            "GCLOUD_STATE": str(self.directory / "state"),
            "RETRY_SECONDS": "0",
            "HOME": str(self.directory),
            "TMPDIR": str(self.directory),
        }
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode == 0) == ok, done.stdout + done.stderr
        return done.stdout if ok else done.stderr

    def keep(self, state: dict[str, Any]) -> None:
        (self.directory / "state").write_text(json.dumps(state))

    @property
    def state(self) -> dict[str, Any]:
        file = self.directory / "state"
        state: dict[str, Any] = json.loads(file.read_text()) if file.exists() else gcloud.EMPTY
        return state


def empty_project(directory: Path) -> Project:
    program = directory / "gcloud"
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -I -S {shlex.quote(gcloud.__file__)} "$@"\n')
    program.chmod(0o755)
    return Project(directory)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """One in which nothing is."""
    return empty_project(tmp_path)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, str]:
    """One that was deployed once, and what was said then. It is only looked at."""
    deployed = empty_project(tmp_path_factory.mktemp("project"))
    return deployed, deployed.deploy()


@pytest.fixture
def deployed(first: tuple[Project, str], project: Project) -> Project:
    """A copy of that one, to go on with."""
    project.keep(first[0].state)
    return project


def changes(calls: list[list[str]]) -> list[list[str]]:
    """The calls that are not there to look."""
    return [call for call in calls if not {"describe", "access"} & set(call)]


def test_shellcheck_finds_nothing() -> None:
    program = Path(sys.executable).with_name("shellcheck")
    done = subprocess.run([program, SCRIPT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_both_functions_are_deployed(first: tuple[Project, str]) -> None:
    state, said = first[0].state, first[1]
    chat, sweep = state["services"]["multi-agent-chat"], state["services"][SWEEP]
    assert (chat["--function"], sweep["--function"]) == ("multi_agent_chat", "maintenance")
    for service in (chat, sweep):
        assert service["--base-image"] == "python313"
        assert service["--region"] == "europe-west1"
        assert pairs_of(service) == {"GOOGLE_FUNCTION_SOURCE": "main.py"}
        assert service["variables"] == {
            "GOOGLE_CLOUD_PROJECT": "my-project",
            "XDG_RUNTIME_DIR": "/tmp",
            "SUPABASE_URL": "https://abc.supabase.co",
            "ALLOWED_ORIGINS": ORIGINS,
            "LOG_LEVEL": "WARNING",
        }
    assert (chat["--concurrency"], chat["--timeout"], sweep["--timeout"]) == ("200", "300", "60")
    assert chat["secrets"] == {"OPENAI_API_KEY": KEY, "SUPABASE_SECRET_KEY": SUPABASE_KEY}
    assert sweep["secrets"] == chat["secrets"] | {"MAINTENANCE_SECRET": MAINTENANCE}
    assert "https://multi-agent-chat-123456789012.europe-west1.run.app --origin https://app.example.com\n" in said


def pairs_of(service: dict[str, Any]) -> dict[str, str]:
    return gcloud.pairs(service["--set-build-env-vars"])


def test_the_sweep_is_called_every_minute_with_its_secret(first: tuple[Project, str]) -> None:
    state = first[0].state
    (job,) = state["jobs"].values()
    (secret,) = state["secrets"][MAINTENANCE]
    assert len(secret) >= 32
    assert job["header"] == f"Authorization: Bearer {secret}"
    assert job["--schedule"] == "* * * * *"
    assert job["--uri"] == f"https://{SWEEP}-123456789012.europe-west1.run.app/"


def test_a_second_time_keeps_what_is_there(deployed: Project) -> None:
    before = deployed.state
    deployed.deploy()
    after = deployed.state
    again = [call[:4] for call in changes(after["calls"][len(before["calls"]) :])]
    assert after | {"calls": [], "jobs": {}} == before | {"calls": [], "jobs": {}}
    assert after["jobs"].keys() == before["jobs"].keys()
    assert [call for call in again if "create" in call or call[:3] == ["secrets", "versions", "add"]] == []
    assert ["scheduler", "jobs", "update", "http"] in again


def test_a_deployment_that_stopped_halfway_is_completed(deployed: Project) -> None:
    whole = deployed.state
    half = whole | {"jobs": {}, "services": {}, "secrets": whole["secrets"] | {MAINTENANCE: []}}
    deployed.keep(half)
    deployed.deploy()
    assert deployed.state["services"].keys() == {"multi-agent-chat", SWEEP}
    assert deployed.state["jobs"].keys() == {SWEEP}


def test_a_new_key_becomes_a_new_version(deployed: Project) -> None:
    deployed.deploy(OPENAI_API_KEY="sk-canary-3")
    assert deployed.state["secrets"][KEY] == ["sk-canary-1", "sk-canary-3"]
    deployed.deploy(OPENAI_API_KEY="")
    assert deployed.state["secrets"][KEY] == ["sk-canary-1", "sk-canary-3"]
    assert deployed.state["services"]["multi-agent-chat"]["secrets"]["OPENAI_API_KEY"] == KEY


def test_no_secret_is_a_word_of_a_command_or_of_what_is_said(first: tuple[Project, str], project: Project) -> None:
    state, said = first[0].state, first[1] + project.deploy("--dry-run")
    secrets = [*SECRETS.values(), *state["secrets"][MAINTENANCE]]
    words = json.dumps([state["calls"], state["services"]]) + said
    assert [secret for secret in secrets if secret in words] == []
    left = [file for each in (first[0], project) for file in each.directory.glob("tmp.*")]
    assert left == []


def test_a_dry_run_prints_every_command_and_runs_none(first: tuple[Project, str], project: Project) -> None:
    printed = [shlex.split(line) for line in project.deploy("--dry-run").splitlines() if line.startswith("gcloud ")]
    assert project.state["calls"] == []
    known = {"123456789012": "PROJECT_NUMBER", "-PROJECT_NUMBER.europe-west1.run.app": ""}
    run = changes(first[0].state["calls"])
    refused_once = run.pop(next(n for n, call in enumerate(run) if "add-iam-policy-binding" in call and KEY in call))
    assert refused_once in run  # the account was not known everywhere yet
    assert [as_printed(call, known) for call in run] == [as_printed(call[1:], known) for call in printed]


def as_printed(call: list[str], known: dict[str, str]) -> list[str]:
    words = [word.replace("https://URL-OF-", "https://") for word in call]
    for found, instead in known.items():
        words = [word.replace(found, instead) for word in words]
    return words[:-1] if "--flags-file" in words else words


def test_the_database_may_call_it_instead_in_short_slices(project: Project) -> None:
    said = project.deploy("--sweep", "pg_cron", SWEEP_SECONDS="50")  # as .env.example has it
    assert project.state["jobs"] == {}
    assert project.state["services"][SWEEP]["variables"]["SWEEP_SECONDS"] == "5"
    assert f"--secret {MAINTENANCE}" in said
    assert f"-v url=https://{SWEEP}-123456789012.europe-west1.run.app/ -f deploy/pg_cron.sql" in said


def test_the_platform_waits_longer_than_the_function(project: Project) -> None:
    project.deploy("--cpu-always", "--base-image", "python314", WAIT_BUDGET_SECONDS="600", LOG_LEVEL='"DEBUG" ')
    chat = project.state["services"]["multi-agent-chat"]
    assert chat["variables"]["LOG_LEVEL"] == "DEBUG"  # quoted as for a shell
    assert chat["--timeout"] == "660"
    assert chat["--no-cpu-throttling"]
    assert chat["--base-image"] == "python314"


@pytest.mark.parametrize(
    ("flags", "settings", "sentence"),
    [
        ((), {"SUPABASE_URL": ""}, "SUPABASE_URL is not set"),
        ((), {"OPENAI_API_KEY": ""}, "OPENAI_API_KEY is not set"),
        ((), {"ALLOWED_ORIGINS": "a|b"}, "ALLOWED_ORIGINS holds a |"),
        (("--sweep", "never"), {}, "--sweep is scheduler or pg_cron"),
        (("--colour", "red"), {}, "--colour is unknown"),
        (("--env-file", "/nowhere"), {}, "there is no /nowhere"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_sentence(
    project: Project, flags: tuple[str, ...], settings: dict[str, str], sentence: str
) -> None:
    assert sentence in project.deploy(*flags, ok=False, **settings)
    assert project.state["services"] == {}
