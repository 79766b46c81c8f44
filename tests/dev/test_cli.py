"""The flags are a contract: other tools drive the launcher with them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dev.cli import parse
from dev.launch import REAL_API, Stack
from dev.summary import curl, summary
from dev.supabase_local import Keys

STACK = Stack(
    functions=["http://127.0.0.1:8080", "http://127.0.0.1:8081"],
    supabase="http://127.0.0.1:20000",
    keys=Keys("sb_secret_x", "sb_publishable_x", "jwt"),
    openai="http://127.0.0.1:20001/v1",
    web="http://127.0.0.1:20002",
    token_file=Path("/home/ada/chat token"),
)


def test_defaults() -> None:
    options = parse([])
    assert (options.openai, options.db, options.instances, options.port) == (None, "pglite", 1, 8080)
    assert options.web
    assert not options.json
    assert not options.port_given
    assert not options.fresh
    assert options.source.name == "main.py"
    assert options.migrations.parts[-2:] == ("supabase", "migrations")


def test_every_flag() -> None:
    flags = "--openai http://127.0.0.1:9/v1/ --db postgres --instances 3 --port 0 --no-web --json --fresh"
    options = parse(flags.split())
    assert (options.openai, options.db, options.instances, options.port) == ("http://127.0.0.1:9/v1", "postgres", 3, 0)
    assert options.json
    assert options.fresh
    assert not options.web


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        ("--instances 0", "'0' is no number of at least 1"),
        ("--instances two", "'two' is no number of at least 1"),
        ("--port 65536", "'65536' is no port"),
        ("--port 65535 --instances 2", "do not fit below 65535"),
        ("--openai localhost:8000", "'localhost:8000' is no http or https URL"),
        ("--db sqlite", "invalid choice"),
    ],
)
def test_nonsense_is_refused_with_a_sentence(flags: str, sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        parse(flags.split())
    assert exit_.value.code == 2
    assert sentence in capsys.readouterr().err


def test_the_json_line_has_exactly_these_keys() -> None:
    line = STACK.as_json()
    assert "\n" not in line
    assert json.loads(line) == {
        "functions": ["http://127.0.0.1:8080", "http://127.0.0.1:8081"],
        "supabase": "http://127.0.0.1:20000",
        "secret_key": "sb_secret_x",
        "publishable_key": "sb_publishable_x",
        "jwt_secret": "jwt",
        "openai": "http://127.0.0.1:20001/v1",
        "web": "http://127.0.0.1:20002",
    }


def test_the_summary_has_one_address_to_open_and_a_command_to_paste() -> None:
    text = summary(STACK, parse([]))
    assert "Open\n\n      http://127.0.0.1:20002\n" in text
    assert curl(STACK) in text
    assert """-H "Authorization: Bearer $(cat '/home/ada/chat token')\"""" in text
    assert "from the emulator" in text


def test_the_summary_names_the_server_that_answers() -> None:
    real = Stack(STACK.functions, STACK.supabase, STACK.keys, REAL_API, None, STACK.token_file)
    assert f"from {REAL_API}" in summary(real, parse(["--no-web"]))
