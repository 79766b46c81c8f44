"""A gcloud that keeps a project in a file: `GCLOUD_STATE` names it, as JSON. Every call is recorded in it, in order.

It knows the commands that the deployment uses and refuses every other one, every unknown flag (the lists are from the
help of gcloud 528), and what the real one refuses: a secret or account that is not there, a second one of a name, a
base image beside a Dockerfile. A service account that was just made is unknown to the first grant that names it.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any, NoReturn

Json = dict[str, Any]

_EVERYWHERE = {"--project", "--format", "--quiet", "--flags-file"}
_JOB = {"--schedule", "--uri", "--http-method", "--attempt-deadline", "--max-retry-attempts", "--location"}
FLAGS = {
    "services enable": set[str](),
    "projects describe": set[str](),
    "projects add-iam-policy-binding": {"--member", "--role", "--condition"},
    "iam service-accounts describe": set[str](),
    "iam service-accounts create": {"--display-name"},
    "secrets describe": set[str](),
    "secrets create": {"--replication-policy"},
    "secrets versions add": {"--data-file"},
    "secrets versions access": {"--secret"},
    "secrets add-iam-policy-binding": {"--member", "--role"},
    "run services describe": {"--region"},
    "run deploy": {"--source", "--function", "--base-image", "--set-build-env-vars", "--allow-unauthenticated"}
    | {"--service-account", "--cpu", "--memory", "--cpu-boost", "--cpu-throttling", "--no-cpu-throttling", "--region"}
    | {"--concurrency", "--timeout", "--min-instances", "--max-instances", "--set-env-vars", "--set-secrets"},
    "scheduler jobs describe": {"--location"},
    "scheduler jobs create http": _JOB | {"--headers"},
    "scheduler jobs update http": _JOB | {"--update-headers"},
}
_WITHOUT_VALUE = {"--quiet", "--allow-unauthenticated", "--cpu-boost", "--cpu-throttling", "--no-cpu-throttling"}
_MAX_CONCURRENCY, _MAX_SECONDS = 1000, 3600
EMPTY: Json = {"calls": [], "accounts": {}, "secrets": {}, "grants": [], "services": {}, "jobs": {}, "enabled": []}


def refuse(message: str, status: int = 1) -> NoReturn:
    sys.stderr.write(f"ERROR: (gcloud) {message}\n")
    sys.exit(status)


def parse(arguments: list[str]) -> tuple[str, list[str], Json]:
    """The command, what it is about, and its flags."""
    command = next((name for name in FLAGS if arguments[: len(name.split())] == name.split()), None)
    if command is None:
        refuse(f"Invalid choice: {' '.join(arguments)}", 2)
    rest, flags, subjects = arguments[len(command.split()) :], Json(), []
    while rest:
        word = rest.pop(0)
        if not word.startswith("--"):
            subjects.append(word)
        elif word not in FLAGS[command] | _EVERYWHERE:
            refuse(f"unrecognized arguments: {word}", 2)
        else:
            flags[word] = True if word in _WITHOUT_VALUE else rest.pop(0)
    return command, subjects, flags


def pairs(text: str) -> dict[str, str]:
    """A flag's list of KEY=VALUE: separated by commas, or by what stands between two ^ at its beginning."""
    separator = ","
    if text.startswith("^"):
        separator, text = text[1:].split("^", 1)
    found = [(key, value) for key, _, value in (pair.partition("=") for pair in text.split(separator))]
    if len({key for key, _ in found}) < len(found):
        refuse("a key is there twice, of which one would be lost", 2)
    return dict(found)


def header_in(file: str) -> str:
    """The one header of a flags file, and its value. It is written as two lines."""
    flag, header = Path(file).read_text().splitlines()
    if flag not in ("--headers:", "--update-headers:"):
        refuse(f"unrecognized arguments: {flag}", 2)
    return header.strip()


def obey(state: Json, command: str, subjects: list[str], flags: Json) -> str:
    """Change the state as the command says. Returns what is printed."""
    name = subjects[0] if subjects else ""
    secrets, accounts, project = state["secrets"], state["accounts"], flags.get("--project")
    match command:
        case "services enable":
            state["enabled"] = sorted({*state["enabled"], *subjects})
        case "projects describe":
            return "123456789012\n"
        case "projects add-iam-policy-binding":
            _grant(state, name, flags)
        case "iam service-accounts describe":
            if name not in accounts:
                refuse("NOT_FOUND: Unknown service account")
        case "iam service-accounts create":
            account = f"{name}@{project}.iam.gserviceaccount.com"
            if account in accounts:
                refuse("ALREADY_EXISTS: Service account already exists")
            accounts[account] = "new"
        case "secrets describe":
            if name not in secrets:
                refuse(f"NOT_FOUND: Secret [{name}] not found.")
        case "secrets create":
            if name in secrets:
                refuse(f"ALREADY_EXISTS: Secret [{name}] already exists.")
            secrets[name] = []
        case "secrets versions add":
            if flags["--data-file"] != "-":
                refuse("only standard input is expected here", 2)
            secrets[name].append(sys.stdin.read())
        case "secrets versions access":
            versions = secrets.get(flags["--secret"])
            if name != "latest" or not versions:
                refuse("NOT_FOUND: Secret version not found.")
            return str(versions[-1])
        case "secrets add-iam-policy-binding":
            account = flags["--member"].removeprefix("serviceAccount:")
            if accounts.get(account) == "new":
                accounts[account] = "known"
                refuse("INVALID_ARGUMENT: Service account does not exist.")
            if name not in secrets or account not in accounts:
                refuse("NOT_FOUND")
            _grant(state, name, flags)
        case "run services describe":
            if name not in state["services"]:
                refuse("Cannot find service")
            return f"https://{name}-123456789012.{flags['--region']}.run.app\n"
        case "run deploy":
            state["services"][name] = service(state, flags)
        case "scheduler jobs describe":
            if name not in state["jobs"]:
                refuse("NOT_FOUND: Job not found.")
        case "scheduler jobs create http" | "scheduler jobs update http":
            if (name in state["jobs"]) == ("create" in command):
                refuse("ALREADY_EXISTS or NOT_FOUND")
            state["jobs"][name] = flags | {"header": header_in(flags["--flags-file"])}
    return ""


def _grant(state: Json, name: str, flags: Json) -> None:
    grant = [name, flags["--role"], flags["--member"]]
    if grant not in state["grants"]:
        state["grants"].append(grant)


def service(state: Json, flags: Json) -> Json:
    """What a deployment leaves: its flags, with variables and secrets taken apart."""
    if (Path(flags["--source"]) / "Dockerfile").exists():
        refuse("Invalid value for [--base-image]: Base image is not supported for services built from Dockerfile.")
    if flags["--service-account"] not in state["accounts"]:
        refuse("Service account does not exist")
    if int(flags["--concurrency"]) > _MAX_CONCURRENCY or int(flags["--timeout"]) > _MAX_SECONDS:
        refuse("INVALID_ARGUMENT")
    given = {name: value.removesuffix(":latest") for name, value in pairs(flags["--set-secrets"]).items()}
    member = f"serviceAccount:{flags['--service-account']}"
    for secret in given.values():
        if not state["secrets"].get(secret):
            refuse(f"Secret {secret}/versions/latest was not found")
        if [secret, "roles/secretmanager.secretAccessor", member] not in state["grants"]:
            refuse(f"Permission denied on secret {secret}")
    return flags | {"variables": pairs(flags["--set-env-vars"]), "secrets": given}


def main() -> None:
    file = Path(os.environ["GCLOUD_STATE"])
    state = json.loads(file.read_text()) if file.exists() else json.loads(json.dumps(EMPTY))
    state["calls"].append(sys.argv[1:])
    try:
        sys.stdout.write(obey(state, *parse(sys.argv[1:])))
    finally:
        file.write_text(json.dumps(state))


if __name__ == "__main__":
    main()
