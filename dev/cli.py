"""The flags of `python -m dev`."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

CHECKOUT = Path(__file__).resolve().parent.parent
DEFAULT_PORT = 8080
_LAST_PORT = 65_535


@dataclass(frozen=True)
class Options:
    """What to start. The directories are no flags: only tests point them elsewhere."""

    openai: str | None = None
    db: Literal["pglite", "postgres"] = "pglite"
    instances: int = 1
    port: int = DEFAULT_PORT
    port_given: bool = False
    fresh: bool = False
    web: bool = True
    json: bool = False
    source: Path = CHECKOUT / "main.py"
    migrations: Path = CHECKOUT / "supabase/migrations"
    seed: Path = CHECKOUT / "supabase/seed.sql"


def parse(arguments: Sequence[str]) -> Options:
    """Read the command line. Exits with status 2 and a sentence when it makes no sense."""
    parser = argparse.ArgumentParser(
        prog="python -m dev", description="Start everything on this machine: database, provider, function, web page."
    )
    parser.add_argument(
        "--openai", type=_base_url, metavar="URL", help="an OpenAI-compatible server instead of the emulator"
    )
    parser.add_argument("--db", choices=["pglite", "postgres"], default="pglite", help="default: %(default)s")
    parser.add_argument("--instances", type=_count, default=1, metavar="N", help="function processes on one database")
    parser.add_argument(
        "--port",
        type=_port,
        metavar="P",
        help=f"of the first instance; 0: any (the one of the start before, or {DEFAULT_PORT}, or the next free one)",
    )
    parser.add_argument("--fresh", action="store_true", help="drop what the starts before have kept")
    parser.add_argument("--no-web", dest="web", action="store_false", help="do not serve the web page")
    parser.add_argument("--json", action="store_true", help="say where everything is in one JSON line")
    given = vars(parser.parse_args(arguments))
    port = given.pop("port")
    options = Options(**given, port=DEFAULT_PORT if port is None else port, port_given=port is not None)
    if options.port and options.port + options.instances - 1 > _LAST_PORT:
        parser.error(f"{options.instances} instances from port {options.port} on do not fit below {_LAST_PORT}")
    return options


def real_key() -> str | None:
    """The developer's own API key, when the environment has one."""
    return os.environ.get("OPENAI_API_KEY") or None


def _base_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise argparse.ArgumentTypeError(f"{text!r} is no http or https URL")
    return text.rstrip("/")


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of at least 1")
    return int(text)


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > _LAST_PORT:
        raise argparse.ArgumentTypeError(f"{text!r} is no port")
    return int(text)
