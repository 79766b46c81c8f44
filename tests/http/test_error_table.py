from __future__ import annotations

import re
from pathlib import Path

from functions.asgi.errors import TABLE, as_chat_error, error_body, error_response, status_of
from shared.core import errors
from shared.core.errors import ChatError, ProviderRefused
from shared.core.runs import TERMINAL_RUN_STATUSES

ROOT = Path(__file__).parents[2]


def _classes(parent: type[ChatError]) -> list[type[ChatError]]:
    return [parent, *(found for child in parent.__subclasses__() for found in _classes(child))]


def test_every_error_class_has_a_row() -> None:
    missing = {error.code for error in _classes(ChatError) if error.__module__.startswith(("shared", "functions"))}
    assert missing - TABLE.keys() == set()
    assert errors.StoreUnavailable.code in missing


def test_every_code_that_is_raised_anywhere_has_a_row() -> None:
    """Codes are written as `code="..."`, as a class's own `code = "..."`, or in the SQL outcomes the store raises."""
    used: dict[str, Path] = {}
    for path in [*(ROOT / "shared").rglob("*.py"), *(ROOT / "functions").rglob("*.py")]:
        if "providers" in path.parts:
            continue  # their codes are the servers' words; those that reach a turn are looked at below
        for code in re.findall(r"""\bcode\s*=\s*["']([a-z0-9_]+)["']""", path.read_text()):
            used[code] = path
    assert "duplicate_header" in used
    assert {code: path for code, path in used.items() if code not in TABLE} == {}


def test_every_way_a_turn_can_fail_has_a_row() -> None:
    source = "".join(
        (ROOT / "shared" / name).read_text()
        for name in ("turn/serve.py", "turn/outcome.py", "core/conflict/protocol.py")
    )
    named = set(re.findall(r"""(?:fail|fail_with_open_run|retry_or_fail)\(\w*,?\s*(?:hold, )?"([a-z_]+)\"""", source))
    named |= set(re.findall(r"""Refuse\("([a-z_]+)"\)""", source))
    assert {"run_timeout", "empty_reply", "provider_unavailable"} <= named
    ends = {f"run_{status}" for status in TERMINAL_RUN_STATUSES - {"completed"}}
    assert (named | ends) - TABLE.keys() == set()


def test_every_refusal_that_a_provider_can_be_given_has_a_row() -> None:
    source = "".join(path.read_text() for path in (ROOT / "shared" / "providers").rglob("*.py"))
    assigned = re.findall(r"""["']?\bcode["']?\s*[=:]\s*["']((?:provider|context|run|thread)_[a-z_]+)["']""", source)
    assert set(assigned) - TABLE.keys() == set()


def test_statuses_are_errors_and_retryable_ones_say_when() -> None:
    for code, (status, sentence) in TABLE.items():
        assert 400 <= status < 600, code
        assert sentence.endswith("."), code
        response = error_response(ChatError("x", code=code), "r1")
        assert ("retry-after" in response.headers) is (status in (429, 503)), code
        assert ("www-authenticate" in response.headers) is (status == 401), code


def test_what_nobody_foresaw_says_nothing() -> None:
    body = error_body(as_chat_error(ValueError("canary")), "r1")
    assert body == {
        "code": "internal_error",
        "message": "Something went wrong here.",
        "request_id": "r1",
        "retryable": False,
    }
    unknown = ChatError("canary", code="not_in_the_table")
    assert status_of(unknown.code) == 500
    assert error_body(unknown, "r1")["code"] == "internal_error"


def test_words_of_a_provider_stay_inside() -> None:
    body = error_body(ProviderRefused("Incorrect API key provided: sk-canary", status=401), "r1")
    assert "canary" not in str(body)
