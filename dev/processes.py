"""Child processes of the launcher: each in a group of its own, its output in a log file, its end noticed."""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from dev.errors import DevError
from dev.guard import GRACE_SECONDS, Guard

_POLL_SECONDS = 0.05
_TAIL_LINES = 25
_SLOW_SECONDS = 5.0


class ChildDied(DevError):
    """A child ended while it was needed; the message carries the end of its log."""


class ChildSlow(DevError):
    """A child did not become ready in time; the message carries the end of its log."""


@dataclass(eq=False)
class Child:
    """A running child. `name` is for people and for the log file. A `task` is meant to end by itself."""

    name: str
    process: asyncio.subprocess.Process
    log: Path
    task: bool = False

    def tail(self) -> str:
        """The end of its log."""
        lines = self.log.read_text(errors="replace").splitlines()[-_TAIL_LINES:]
        return "\n".join(f"  | {line}" for line in lines) or "  | (it wrote nothing)"


@dataclass(eq=False)
class Processes:
    """Everything started, and its temporary directory. Leaving the context stops all of it, also after an error.

    `report` receives a sentence when a child ends once everything is up.
    """

    report: Callable[[str], None]
    grace_seconds: float = GRACE_SECONDS
    children: list[Child] = field(default_factory=list)
    _settled: bool = False
    _watchers: list[asyncio.Task[None]] = field(default_factory=list)

    async def __aenter__(self) -> Processes:
        self._guard = Guard(self.grace_seconds)
        self.home = Path(tempfile.mkdtemp(prefix="multi-agent-chat-"))
        self._guard.remove_at_end(self.home)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for watcher in self._watchers:
            watcher.cancel()
        # In a thread, so that the loop goes on reaping children: a dead one that was not reaped still looks alive.
        await asyncio.to_thread(self._guard.close)
        for child in self.children:
            await child.process.wait()

    async def start(
        self,
        name: str,
        command: Sequence[str | Path],
        environment: Mapping[str, str],
        *,
        task: bool = False,
        descriptors: Sequence[int] = (),
    ) -> Child:
        """Start a child, which inherits these open files. Its output goes to `<home>/<name>.log`."""
        log = self.home / f"{name}.log"
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=dict(environment),
                start_new_session=True,
                pass_fds=descriptors,
            )
        self._guard.watch_group(process.pid)
        child = Child(name, process, log, task)
        self.children.append(child)
        self._watchers.append(asyncio.create_task(self._watch(child)))
        return child

    async def run(
        self, name: str, command: Sequence[str | Path], environment: Mapping[str, str], seconds: float
    ) -> None:
        """Run a child to its end. Raises ChildDied when it fails and ChildSlow when it takes too long."""
        child = await self.start(name, command, environment, task=True)
        try:
            async with self._telling(child):
                code = await asyncio.wait_for(child.process.wait(), seconds)
        except TimeoutError as error:
            raise ChildSlow(f"{name} did not end within {seconds:.0f} s:\n{child.tail()}") from error
        if code != 0:
            raise ChildDied(f"{name} {how_it_ended(code)}:\n{child.tail()}")

    async def wait_ready(self, child: Child, probe: Callable[[], Awaitable[bool]], seconds: float) -> None:
        """Ask `probe` until it says yes. Raises ChildSlow, and ChildDied when any child has ended by then."""
        try:
            async with asyncio.timeout(seconds), self._telling(child):
                while not await probe():
                    self._raise_if_dead()
                    await asyncio.sleep(_POLL_SECONDS)
        except TimeoutError as error:
            raise ChildSlow(f"{child.name} was not ready within {seconds:.0f} s:\n{child.tail()}") from error

    @asynccontextmanager
    async def _telling(self, child: Child) -> AsyncIterator[None]:
        """Says what is waited for while it takes long."""

        async def tell() -> None:
            waited = 0.0
            while True:
                await asyncio.sleep(_SLOW_SECONDS)
                waited += _SLOW_SECONDS
                self.report(f"still waiting for {child.name}, {waited:.0f} s so far")

        telling = asyncio.create_task(tell())
        try:
            yield
        finally:
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)

    def settle(self) -> None:
        """Start-up is over: from now on a child that ends is reported and the rest goes on."""
        self._settled = True

    def _raise_if_dead(self) -> None:
        for child in self.children:
            code = child.process.returncode
            if code is not None and not child.task:
                raise ChildDied(f"{child.name} {how_it_ended(code)}:\n{child.tail()}")

    async def _watch(self, child: Child) -> None:
        code = await child.process.wait()
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(child.process.pid, signal.SIGKILL)  # what it left behind in its group
        self._guard.forget_group(child.process.pid)
        if self._settled and not child.task:
            self.report(f"{child.name} {how_it_ended(code)}; the rest keeps running")


def how_it_ended(code: int) -> str:
    """An exit status in words."""
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"
