"""Follows the steps of a Dockerfile below one directory, on a machine without a container engine.

Paths of the image are put below that directory; the base image is this machine's Python with the programs in /usr/bin.
What only an engine could show (another distribution, another Python) is not shown.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

STEP_SECONDS = 300
_OF_PIP = re.compile(r"PIP_\w+|\w+_proxy|SSL_CERT_\w+", re.IGNORECASE)  # how this machine reaches its packages


def steps_of(dockerfile: Path) -> list[tuple[str, str]]:
    """Each instruction and its arguments, with comments dropped and continued lines joined."""
    lines = (line for line in dockerfile.read_text().splitlines() if line.strip() and not line.lstrip().startswith("#"))
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [(word.upper(), rest.strip()) for word, _, rest in (line.partition(" ") for line in joined.splitlines())]


@dataclass
class Image:
    """What the steps have made so far. `root` stands for the image's own `/`."""

    root: Path
    environment: dict[str, str] = field(default_factory=dict)
    directory: str = "/"
    user: str = "0:0"
    command: list[str] = field(default_factory=list)

    def path(self, inside: str) -> Path:
        """Where a path of the image is on this machine."""
        return self.root / (Path(self.directory) / inside).relative_to("/")

    def here(self, text: str) -> str:
        """The text with the image's paths put below `root`."""
        made = "|".join(re.escape(entry.name) for entry in self.root.iterdir()) or "$^"
        return re.sub(rf"(?<![\w./-])/({made})(?![\w-])", rf"{self.root}/\1", text)


def build(dockerfile: Path, context: Path, root: Path) -> Image:
    """Follow every step, with `context` as what may be copied; `root` is made, readable for every user.

    Raises AssertionError where a step fails.
    """
    stages, name = dict[str, Path](), ""
    kept = {line[1:] for line in Path(f"{dockerfile}.dockerignore").read_text().split() if line.startswith("!")}
    image = Image(root)
    programs = root.with_name(f"{root.name}.base")
    programs.mkdir()
    (programs / "python").symlink_to(_interpreter())
    for word, rest in steps_of(dockerfile):
        match word:
            case "FROM":
                if image.root.exists():  # the stage before this one keeps its files beside it
                    stages[name] = image.root.rename(root.with_name(f"{root.name}.{name}"))
                name = rest.partition(" AS ")[2] or "last"
                image = Image(root, {"PATH": f"{programs}:/usr/bin:/bin"})
                root.mkdir(mode=0o755)
            case "WORKDIR":
                image.directory = rest
                image.path(".").mkdir(parents=True, exist_ok=True)
            case "COPY":
                *options, source, target = rest.split()
                if options:
                    start = stages[options[0].removeprefix("--from=")] / source.lstrip("/")
                else:
                    assert source in kept, f"{source} is not in the context"
                    start = context / source
                _copy(start, image.path(target), without=() if options else ("__pycache__",))
            case "RUN":
                _run(image, rest)
            case "ENV":
                for variable in shlex.split(rest):
                    key, _, value = variable.partition("=")
                    image.environment[key] = image.here(value).replace("$PATH", image.environment["PATH"])
            case "USER":
                image.user = rest
            case "CMD":
                image.command = json.loads(rest)
            case "ARG" | "EXPOSE":
                pass
            case _:
                raise ValueError(f"{word} is not followed here")
    return image


def _interpreter() -> Path:
    """A Python that any user may run and that can make virtual environments."""
    candidates = [getattr(sys, "_base_executable", sys.executable), "/usr/local/bin/python3", "/usr/bin/python3"]
    for candidate in (Path(each).resolve() for each in candidates):
        check = [str(candidate), "-c", "import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))"]
        with contextlib.suppress(OSError):
            if subprocess.run(check, capture_output=True, check=False, **_credentials("10001:10001")).returncode == 0:
                return candidate
    raise RuntimeError("no Python 3.11 or newer with venv that other users may run (Debian: apt install python3-venv)")


def _credentials(user: str) -> dict[str, Any]:
    """How subprocess starts something as this user; where that is not root's to decide, as the present one."""
    number, _, group = user.partition(":")
    return {"user": int(number), "group": int(group), "extra_groups": []} if os.geteuid() == 0 else {}


def _copy(start: Path, end: Path, without: Sequence[str]) -> None:
    if start.is_dir():
        shutil.copytree(start, end, symlinks=True, ignore=shutil.ignore_patterns(*without), dirs_exist_ok=True)
    else:
        shutil.copy2(start, end / start.name if end.is_dir() else end)


def _run(image: Image, command: str) -> None:
    # A step that makes a directory at the top names it: it has to be there before paths are put below `root`.
    for made in re.findall(r"-m venv (/\S+)", command):
        image.path(made).mkdir()
    given = {name: value for name, value in os.environ.items() if _OF_PIP.fullmatch(name)}
    done = subprocess.run(
        ["/bin/sh", "-c", image.here(command)],
        cwd=image.path("."),
        env=given | image.environment | {"HOME": str(image.root)},
        capture_output=True,
        text=True,
        timeout=STEP_SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"


@contextlib.contextmanager
def running(image: Image, log: Path, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """The image's command as its user, who cannot write to its home; ended with all that it started."""
    program = shutil.which(image.command[0], path=image.environment["PATH"])
    assert program, f"{image.command[0]} is not in the image"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [program, *image.command[1:]],
            cwd=image.path("."),
            env=image.environment | {"HOME": "/"} | environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            **_credentials(image.user),
        )
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(10)
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, 9)
                process.wait()
