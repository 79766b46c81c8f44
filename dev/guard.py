"""Leaves nothing behind: however the launcher ends, a small process of its own stops what was started.

The guard is this file run as a program. It reads from a pipe which process groups and paths it answers for; when the
pipe closes it stops the groups and removes the paths. A pipe and not PR_SET_PDEATHSIG: the end of the writer is seen
on every system, reaches grandchildren through their group, and lets temporary directories be removed as well. The
launcher ends its children the same way, by closing the pipe, so there is one way to stop things and not two.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType

GRACE_SECONDS = 4.0
KILL_SECONDS = 2.0
_LOOK_SECONDS = 0.02


class Guard:
    """Handle on a guard process: tell it what to look after, close it to stop all of it."""

    def __init__(self, grace_seconds: float = GRACE_SECONDS) -> None:
        self._limit_seconds = grace_seconds + KILL_SECONDS + 5
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__, str(grace_seconds)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C in the terminal must not reach it
            text=True,
        )

    def watch_group(self, group: int) -> None:
        """Stop this process group at the end."""
        self._tell(f"watch {group}")

    def forget_group(self, group: int) -> None:
        """The group is empty: its number may soon belong to a stranger."""
        self._tell(f"forget {group}")

    def remove_at_end(self, path: Path) -> None:
        """Remove this file or directory once every group is gone."""
        self._tell(f"remove {path}")

    def close(self) -> None:
        """Stop everything and return when it is gone; idempotent."""
        if self._process.stdin is not None and not self._process.stdin.closed:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
        self._process.wait(self._limit_seconds)

    def __enter__(self) -> Guard:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _tell(self, line: str) -> None:
        if self._process.stdin is None:
            raise RuntimeError("the guard has no pipe")
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()


def stop_groups(groups: set[int], grace_seconds: float) -> None:
    """SIGTERM to every group, SIGKILL to those still there after the grace. Groups that are gone are no error."""
    _signal_all(groups, signal.SIGTERM)
    if _wait_gone(groups, grace_seconds):
        return
    _signal_all(groups, signal.SIGKILL)
    _wait_gone(groups, KILL_SECONDS)


def _signal_all(groups: set[int], number: signal.Signals) -> None:
    for group in groups:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, number)


def _wait_gone(groups: set[int], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while any(_alive(group) for group in groups):
        if time.monotonic() > deadline:
            return False
        time.sleep(_LOOK_SECONDS)
    return True


def _alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _main(grace_seconds: float) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    groups: set[int] = set()
    paths: list[str] = []
    for line in sys.stdin:
        verb, _, value = line.rstrip("\n").partition(" ")
        if verb == "watch":
            groups.add(int(value))
        elif verb == "forget":
            groups.discard(int(value))
        elif verb == "remove":
            paths.append(value)
    stop_groups(groups, grace_seconds)
    for path in paths:
        shutil.rmtree(path, ignore_errors=True)


if __name__ == "__main__":
    _main(float(sys.argv[1]))
