"""No text of a provider or a client holds the loop up in a pattern: each takes time in proportion to the text."""

from __future__ import annotations

import ast
import re

import pytest

from tests.security.patterns import MOST, Found, all_patterns, parts, trees, worst

LENGTH = 20_000


def test_every_pattern_is_found() -> None:
    """Each is compiled where a module keeps it, so that the measurement meets it."""
    kept = {found.pattern.pattern for found in all_patterns()}
    assert len(kept) > 80
    for module, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                made = [one for one in ast.walk(node) if isinstance(one, ast.Attribute) and _is_re(one.value)]
                assert {one.attr for one in made} <= {"Pattern", "Match", "escape"}, f"{module}.{node.name}"


def _is_re(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "re"


def test_no_pattern_is_dear_on_what_it_is_made_of() -> None:
    dear = {}
    for found in all_patterns():
        ratio, text = worst(found, LENGTH)
        if ratio > MOST:
            dear[found.name] = (round(ratio), text)
    assert dear == {}


@pytest.mark.parametrize(
    "pattern",
    [
        r"[0-9]+(?:\.[0-9]+)?ms",
        r"run(?: ids?)?\s*[:=#]?\s*x",
        r"(?:\w+_)?active_run",
        r"\\+(?=[\"'])",
        r"run (.+?) is active",
        r"(?:a|b)*c",
    ],
)
def test_the_measurement_sees_what_takes_the_square(pattern: str) -> None:
    """A tenth of the length has a tenth of the ratio where the cost is a square."""
    assert worst(Found("", re.compile(pattern), frozenset({"search"})), LENGTH // 10)[0] > MOST / 10


def test_parts_are_what_a_pattern_takes() -> None:
    made = parts(re.compile(r"ab(?:c|[d-f])\s{0,60}[^x]"))
    assert {"a", "b", "c", " ", "abc"} <= set(made.alone)
    assert list(made.repeated) == [("abc", " ")]
