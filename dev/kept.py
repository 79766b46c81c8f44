"""What a developer's start keeps for the next one: the database's files, the keys, and the ports."""

from __future__ import annotations

import fcntl
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from dev.cli import Options
from dev.node import CACHE
from dev.supabase_local import Keys

_DIRECTORY = CACHE / "kept"


@dataclass
class Kept:
    """One directory. `data` is the database's part of it; `ports` are those of the start before."""

    directory: Path
    keys: Keys
    lock: int  # the descriptor that holds it: as long as a process has it open, no other start takes the data
    ports: dict[str, int] = field(default_factory=dict)

    @property
    def data(self) -> Path:
        return self.directory / "data"

    def write(self) -> None:
        """For the next start. The keys are this user's alone to read."""
        file = self.directory / "project.json"
        file.touch(mode=0o600)
        file.write_text(json.dumps({"keys": asdict(self.keys), "ports": self.ports}))


@contextmanager
def kept(options: Options, say: Callable[[str], None], directory: Path = _DIRECTORY) -> Iterator[Kept | None]:
    """What this start goes on with; None where it has to leave no trace, or another start has it at present.

    Programs (`--json`), starts on any port (`--port 0`) and starts on Postgres have everything of their own.
    """
    if options.json or options.port == 0 or options.db != "pglite":
        yield None
        return
    directory.parent.mkdir(exist_ok=True)
    with directory.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another start of this checkout is running: this one has data of its own, and drops them at its end")
            yield None
            return
        if options.fresh:
            shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(mode=0o700, exist_ok=True)
        yield _read(directory, lock.fileno())


def _read(directory: Path, lock: int) -> Kept:
    """What stands there. Data without their keys are of no use, and are dropped."""
    try:
        project: dict[str, Any] = json.loads((directory / "project.json").read_text())
        ports = {str(name): int(port) for name, port in project["ports"].items()}
        return Kept(directory, Keys(**project["keys"]), lock, ports)
    except (OSError, ValueError, TypeError, KeyError):
        shutil.rmtree(directory / "data", ignore_errors=True)
        return Kept(directory, Keys.fresh(), lock)
