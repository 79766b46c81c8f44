"""`python -m dev`: starts everything, says where it is, stops everything on SIGTERM or Ctrl-C."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Sequence

from dev.cli import Options, parse
from dev.errors import DevError
from dev.kept import Kept, kept
from dev.launch import Stack, launch
from dev.processes import Processes
from dev.summary import summary

_STOPPED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def say(text: str) -> None:
    """A line of progress. Never on stdout: with --json that carries one line and nothing else."""
    print(text, file=sys.stderr, flush=True)


async def run(options: Options) -> int:
    """Start, wait to be stopped, stop. Returns the exit status."""
    stop = asyncio.Event()
    for number in _STOPPED:
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    with kept(options, say) as before:
        return await start(options, before, stop)


async def start(options: Options, before: Kept | None, stop: asyncio.Event) -> int:
    """Go on with what the start before has kept, until told to stop."""
    async with Processes(report=say) as processes:
        starting = asyncio.create_task(launch(options, processes, say, before))
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            starting.cancel()
            await asyncio.wait({starting})
            say("stopped before everything was up")
            return 1
        try:
            stack = starting.result()
        except DevError as error:
            say(f"error: {error}")
            stopping.cancel()
            return 1
        announce(stack, options)
        sweeping = asyncio.create_task(stack.scheduler.run(say)) if stack.scheduler else None
        await stopping
        if sweeping:
            sweeping.cancel()
        say("stopping")
    return 0


def announce(stack: Stack, options: Options) -> None:
    """Say where everything is: for programs on stdout, for people on stderr."""
    print(stack.as_json() if options.json else summary(stack, options), flush=True)


def main(arguments: Sequence[str]) -> int:
    """The program; returns the exit status."""
    return asyncio.run(run(parse(arguments)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
