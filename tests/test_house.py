"""What the linter cannot say about shared/ and functions/: each thing has a name of its own, and owns its state."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
HELD_TURN = {
    "FencedWrites": ROOT / "shared" / "fenced_writes.py",
    "TurnLease": ROOT / "shared" / "turn_lease.py",
    "HeldTurn": ROOT / "shared" / "held_turn.py",
}
WITHOUT_STATE = ("turn", "runs", "actions", "chat.py", "live_turn.py")  # of shared/: what works on held turns

ENTRY_POINTS = {"main.py", "app.py"}  # each function has one of each, and their functions are called alike
SAME_PART = {
    "provider.py": "the port, and what each wire has for it",
    "create.py": "what each wire sends as a create, and the turn's one call of it",
    "events.py": "what each of them hears: the conflict protocol, the streams, and each wire's stream",
    "runs.py": "a run as the core knows it, and as the assistants wire tells of it",
    "errors.py": "the tree of errors, and the answers that they become",
}


def files() -> list[Path]:
    return sorted(path for room in ("shared", "functions") for path in (ROOT / room).rglob("*.py"))


def test_no_two_files_share_a_name_but_those_that_are_the_same_part_of_their_rooms() -> None:
    found = defaultdict(list)
    for path in files():
        if path.name != "__init__.py":
            found[path.name].append(str(path.relative_to(ROOT)))
    twice = {name: paths for name, paths in found.items() if len(paths) > 1}
    assert twice.keys() <= ENTRY_POINTS | SAME_PART.keys(), twice
    assert SAME_PART.keys() <= twice.keys(), "an exception that is no longer needed"


def test_no_two_classes_or_public_functions_share_a_name() -> None:
    found = defaultdict(list)
    for path in files():
        for node in ast.parse(path.read_text()).body:
            if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            is_named = not node.name.startswith("_") and path.name not in ENTRY_POINTS
            if isinstance(node, ast.ClassDef) or is_named:
                found[node.name].append(str(path.relative_to(ROOT)))
    assert {name: paths for name, paths in found.items() if len(paths) > 1} == {}


def assigned(tree: ast.AST) -> Iterator[ast.Attribute]:
    """The attributes that are assigned or deleted, but for those of `self`."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Attribute) or not isinstance(node.ctx, ast.Store | ast.Del):
            continue
        if not isinstance(node.value, ast.Name) or node.value.id != "self":
            yield node


def test_only_the_held_turn_assigns_its_attributes() -> None:
    own: set[str] = set()
    for name, path in HELD_TURN.items():
        held = next(n for n in ast.parse(path.read_text()).body if isinstance(n, ast.ClassDef) and n.name == name)
        init = next(node for node in held.body if isinstance(node, ast.FunctionDef) and node.name == "__init__")
        own |= {n.attr for n in ast.walk(init) if isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Store)}
    assert {"turn", "agent", "thread", "steps", "fresh", "displaced"} <= own
    others = [path for path in (ROOT / "shared").rglob("*.py") if path not in HELD_TURN.values()]
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno} {ast.unparse(node)}"
        for path in others
        for node in assigned(ast.parse(path.read_text()))
        if node.attr in own
    ]
    assert found == []


@pytest.mark.parametrize("room", WITHOUT_STATE)
def test_what_works_on_held_turns_assigns_attributes_of_nothing_else(room: str) -> None:
    place = ROOT / "shared" / room
    paths = [place] if place.is_file() else list(place.rglob("*.py"))
    assert paths
    found = [
        f"{path}:{node.lineno} {ast.unparse(node)}" for path in paths for node in assigned(ast.parse(path.read_text()))
    ]
    assert found == []
