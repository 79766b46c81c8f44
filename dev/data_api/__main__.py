"""`python -m dev.data_api --dsn DSN --port P`: serves until it is interrupted, says where once it listens.

The project's keys come in the environment (SECRET_KEY, PUBLISHABLE_KEY, JWT_SECRET): a command line can be read by
every user of the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal

from dev.data_api.app import DataApi, Options
from dev.data_api.server import serving
from dev.ports import HOST
from dev.supabase_local import Keys


async def serve(options: Options, port: int, fault_every: int) -> None:
    serving_task = asyncio.current_task()
    assert serving_task is not None  # noqa: S101 - within a coroutine there is one
    loop = asyncio.get_running_loop()
    for each in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(each, serving_task.cancel)
    api = DataApi(options)
    api.faults.every = fault_every
    with contextlib.suppress(asyncio.CancelledError):
        async with serving(api, port) as bound:
            print(f"ready http://{HOST}:{bound}", flush=True)
            await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m dev.data_api", description="A hosted project's Data API.")
    parser.add_argument("--dsn", required=True, help="as the role authenticator")
    parser.add_argument("--port", type=int, required=True, help="0 picks a free one")
    parser.add_argument("--pool", type=int, default=10, help="connections at most")
    parser.add_argument("--pool-seconds", type=float, default=10.0, help="how long a call waits for one")
    parser.add_argument("--latency-ms", type=float, default=0.0, help="added to every call")
    parser.add_argument("--fault-every", type=int, default=0, help="each Nth call fails, in the hosted ways in turn")
    parser.add_argument("--upstream", help="address of the local Supabase that serves all other paths")
    given = parser.parse_args()
    keys = Keys(os.environ["SECRET_KEY"], os.environ["PUBLISHABLE_KEY"], os.environ["JWT_SECRET"])
    options = Options(
        dsn=given.dsn,
        keys=keys,
        pool_size=given.pool,
        acquire_seconds=given.pool_seconds,
        latency_seconds=given.latency_ms / 1000,
        upstream=given.upstream,
    )
    try:
        asyncio.run(serve(options, given.port, given.fault_every))
    except OSError as error:
        raise SystemExit(f"Cannot listen on {HOST}:{given.port}: {error.strerror}") from error


if __name__ == "__main__":
    main()
