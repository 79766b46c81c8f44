from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from functions.asgi.errors import TABLE, as_chat_error, error_body, error_response, sentence_of
from shared.core import errors
from shared.core.error_codes import ErrorCode
from shared.core.errors import ChatError, InvalidRequest, ProviderRefused
from shared.core.runs import TERMINAL_RUN_STATUSES


def _classes(parent: type[ChatError]) -> Iterator[type[ChatError]]:
    yield parent
    for child in parent.__subclasses__():
        if child.__module__.startswith(("shared", "functions")):
            yield from _classes(child)


def test_the_table_has_each_code_once() -> None:
    assert set(TABLE) == set(ErrorCode)
    assert all(code == code.lower() == code.name.lower() for code in ErrorCode)


def test_every_error_class_stands_where_the_docstring_of_its_module_draws_it() -> None:
    """A line of the tree names classes; how far it is indented says whose children they are."""
    drawn: dict[str, str | None] = {}
    parents: dict[int, str] = {}
    for line in (errors.__doc__ or "").splitlines():
        found = re.match(r"    ([ │]*)(?:[├└]── )?((?:[A-Z][A-Za-z]+(?:, )?)+)", line)
        if found is None:
            continue
        depth = (found.start(2) - 4) // 4
        for name in found[2].split(", "):
            drawn[name] = parents.get(depth - 1)
        parents[depth] = found[2].split(", ")[0]
    made = {error.__name__: error for error in _classes(ChatError)}
    assert drawn == {name: None if error is ChatError else error.__bases__[0].__name__ for name, error in made.items()}
    assert {error.__module__ for error in made.values()} == {errors.__name__}


def test_every_way_a_run_can_end_without_an_answer_has_a_code() -> None:
    assert {f"run_{status}" for status in TERMINAL_RUN_STATUSES - {"completed"}} <= set(ErrorCode)


@pytest.mark.parametrize("code", ErrorCode)
def test_statuses_are_errors_and_retryable_ones_say_when(code: ErrorCode) -> None:
    status, sentence = TABLE[code]
    assert 400 <= status < 600
    assert sentence.endswith(".")
    response = error_response(ChatError("x", code=code), "r1")
    assert response.status_code == status
    assert ("retry-after" in response.headers) is (status in (429, 503))
    assert ("www-authenticate" in response.headers) is (status == 401)


@pytest.mark.parametrize("code", [code for code in ErrorCode if code != ErrorCode.NOT_FOUND])
def test_a_caller_is_told_better_words_where_its_request_has_them(code: ErrorCode) -> None:
    assert error_body(InvalidRequest(code=code), "r1")["message"] == sentence_of(code)
    assert (
        error_body(InvalidRequest("limit must be a number.", code=code), "r1")["message"] == "limit must be a number."
    )


def test_an_unknown_exception_says_nothing_of_itself() -> None:
    assert error_body(as_chat_error(ValueError("canary")), "r1") == {
        "code": "internal_error",
        "message": "Something went wrong here.",
        "request_id": "r1",
        "retryable": False,
    }


def test_words_of_a_provider_stay_inside() -> None:
    body = error_body(ProviderRefused("Incorrect API key provided: sk-canary", status=401), "r1")
    assert "canary" not in str(body)


def test_no_sentence_for_people_is_made_below_the_functions() -> None:
    """What a RequestError, or any error that is not a provider's, is raised with in shared is its code."""
    ours = {error.__name__ for error in _classes(ChatError) if not issubclass(error, errors.ProviderError)}
    for path in Path(errors.__file__).parents[1].rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ours:
                assert not node.args, f"{path.name}:{node.lineno}"
