"""`python -m dev.emulator --port P`: serves until it is interrupted, says where once it listens."""

import argparse
import asyncio
import signal

from dev.emulator.config import Config, default_latency_seconds
from dev.emulator.server import serving
from dev.emulator.state import Emulator


async def serve(host: str, port: int, latency_seconds: float) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for each in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(each, stopped.set)
    emulator = Emulator(Config(latency_seconds=latency_seconds))
    async with serving(emulator, host, port) as bound:
        print(f"ready http://{host}:{bound}/v1", flush=True)
        await stopped.wait()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m dev.emulator", description="A local OpenAI-compatible server.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True, help="0 picks a free one")
    parser.add_argument("--latency", type=float, default=default_latency_seconds(), help="seconds a run takes")
    arguments = parser.parse_args()
    try:
        asyncio.run(serve(arguments.host, arguments.port, arguments.latency))
    except OSError as error:
        raise SystemExit(f"Cannot listen on {arguments.host}:{arguments.port}: {error.strerror}") from error


if __name__ == "__main__":
    main()
