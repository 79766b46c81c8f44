"""Every regular expression of the product, and what a text made of its own parts costs each of them.

`python -m tests.security.patterns` measures all of them on a megabyte of each part and prints the dearest: how many
times as long as looking at each character once it takes.
"""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import functions
import shared

ROOT = Path(__file__).parents[2]
FROM_THE_START = frozenset({"match", "fullmatch"})
MOST = 60.0  # times as long as looking at each character once; the square of a text takes hundreds
SHORT = 1_000
MANY = 50  # repetitions; fewer cost what they cost on any text
OTHER_CHARACTERS = "a1 _-.:{['\"x\u00e9\n!"  # where a part is defined by what it is not
_parser: Any = re._parser  # the standard library's own reader of patterns
_READ = re.compile(".", re.DOTALL), re.compile(b".", re.DOTALL)


@dataclass(frozen=True)
class Found:
    """One pattern, the module it stands in, and how the product applies it."""

    name: str
    pattern: re.Pattern[Any]
    methods: frozenset[str]


def all_patterns() -> list[Found]:
    """Every compiled pattern that a module of the product holds, also inside its tables."""
    found: dict[int, Found] = {}
    used = _used_methods()
    for package in (shared, functions):
        for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if info.name.endswith(".main"):  # it would start the function
                continue
            module = importlib.import_module(info.name)
            for name, value in vars(module).items():
                for pattern in _patterns_in(value):
                    found.setdefault(id(pattern), Found(f"{info.name}.{name}", pattern, used(info.name, name)))
    return list(found.values())


def _patterns_in(value: Any) -> Iterator[re.Pattern[Any]]:
    if isinstance(value, re.Pattern):
        yield value
    elif isinstance(value, dict):
        yield from _patterns_in([*value, *value.values()])
    elif isinstance(value, list | tuple | set | frozenset):
        for one in value:
            yield from _patterns_in(one)


def _used_methods() -> Callable[[str, str], frozenset[str]]:
    """By module and name: how the pattern is applied. A name without an underscore may be used anywhere."""
    uses: dict[tuple[str, str], set[str]] = {}
    handed: dict[str, set[str]] = {}
    for _, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                taken = {one.arg for one in node.args.args if "re.Pattern" in ast.unparse(one.annotation or one)}
                applied = {
                    part.attr
                    for part in ast.walk(node)
                    if isinstance(part, ast.Attribute) and isinstance(part.value, ast.Name) and part.value.id in taken
                }
                handed |= {node.name: applied} if applied else {}
    for module, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name | ast.Attribute):
                holder = node.value.id if isinstance(node.value, ast.Name) else node.value.attr
                uses.setdefault((module, holder), set()).add(node.attr)
                uses.setdefault(("", holder), set()).add(node.attr)
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in handed:
                for given in node.args:  # a function that applies the patterns that it is given
                    holder = given.attr if isinstance(given, ast.Attribute) else getattr(given, "id", "")
                    uses.setdefault(("", holder), set()).update(handed[node.func.id])

    def used(module: str, name: str) -> frozenset[str]:
        methods = uses.get((module, name) if name.startswith("_") else ("", name), set())
        return frozenset(methods & {"match", "fullmatch", "search", "finditer", "findall", "sub", "split"})

    return used


def trees() -> Iterator[tuple[str, ast.Module]]:
    """The modules of the product, as they are written."""
    for package in ("shared", "functions"):
        for path in sorted((ROOT / package).rglob("*.py")):
            module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            yield module, ast.parse(path.read_text("utf-8"))


# --- texts that a pattern may find hard -----------------------------------------------------------------


@dataclass
class Parts:
    """What each part of a pattern takes, and the same behind what has to stand before it."""

    alone: dict[str, None] = field(default_factory=dict)
    repeated: dict[tuple[str, str], None] = field(default_factory=dict)  # what stands before; what then comes often

    def walk(self, tree: Iterable[Any], before: str = "") -> str:
        """Notes the samples of all parts; returns one of the whole."""
        own = ""
        for operator, argument in tree:
            sample = self._sample(str(operator), argument, before + own)
            own += sample
            self.alone.update({sample: None, own: None})
        return own

    def _sample(self, operator: str, argument: Any, before: str) -> str:
        match operator:
            case "LITERAL":
                return chr(argument)
            case "NOT_LITERAL":
                return next(one for one in OTHER_CHARACTERS if ord(one) != argument)
            case "ANY":
                return "a"
            case "IN":
                return _member(argument)
            case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
                least, most, inner = argument
                once = self.walk(inner, before)
                if int(most) >= MANY:
                    self.repeated.setdefault((before, once))
                return once * max(int(least), min(int(most), 1))
            case "BRANCH":
                return max([self.walk(branch, before) for branch in argument[1]], key=len)
            case "SUBPATTERN":
                return self.walk(argument[3], before)
            case "ATOMIC_GROUP":
                return self.walk(argument, before)
            case _:  # places and looks around take nothing
                return ""


def parts(pattern: re.Pattern[Any]) -> Parts:
    text = pattern.pattern.decode("latin-1") if isinstance(pattern.pattern, bytes) else pattern.pattern
    made = Parts()
    made.walk(_parser.parse(text, pattern.flags & ~re.UNICODE))
    return made


def _member(items: list[tuple[Any, Any]]) -> str:
    if str(items[0][0]) == "NEGATE":
        inside = re.compile("[" + "".join(map(_written, items[1:])) + "]")
        return next(one for one in OTHER_CHARACTERS if not inside.match(one))
    operator, argument = str(items[0][0]), items[0][1]
    if operator == "LITERAL":
        return chr(argument)
    if operator == "RANGE":
        return chr(argument[0])
    written = re.compile(f"[{_written(items[0])}]")
    return next(one for one in OTHER_CHARACTERS if written.match(one))


_CATEGORIES = {"DIGIT": r"\d", "NOT_DIGIT": r"\D", "SPACE": r"\s", "NOT_SPACE": r"\S", "WORD": r"\w", "NOT_WORD": r"\W"}


def _written(item: tuple[Any, Any]) -> str:
    operator, argument = str(item[0]), item[1]
    if operator == "LITERAL":
        return re.escape(chr(argument))
    if operator == "RANGE":
        return f"{re.escape(chr(argument[0]))}-{re.escape(chr(argument[1]))}"
    return _CATEGORIES[str(argument).removeprefix("CATEGORY_")]


def texts(pattern: re.Pattern[Any], length: int) -> Iterator[str | bytes]:
    """Each part again and again, alone and behind what has to stand before it, once and every time.

    Of this length where the pattern repeats the part; without a repetition it takes a text's length as often as it has
    parts, which a short one shows.
    """
    made = parts(pattern)
    for text in {
        *(_filled("", part, min(length, SHORT)) for part in made.alone),
        *(_filled(before, part, length) for before, part in made.repeated),
        *(_filled("", before + part, length) for before, part in made.repeated),
        *(_filled("", f"{before}{part} ", length) for before, part in made.repeated),
    } - {""}:
        yield text.encode("latin-1", "replace") if isinstance(pattern.pattern, bytes) else text


def _filled(before: str, part: str, length: int) -> str:
    """The last character is one that hardly any pattern takes: so that all that was taken is tried in other ways."""
    return (before + part * (length // len(part) + 1))[: length - 1] + "\x02" if part else ""


# --- what they cost -------------------------------------------------------------------------------------


def seconds_of(found: Found, text: Any) -> float:
    """Processor time of applying the pattern to all of the text, as the product does at its dearest."""
    begun = time.thread_time()
    if found.methods and found.methods <= FROM_THE_START:
        for method in found.methods:
            getattr(found.pattern, method)(text)
    else:
        for _ in found.pattern.finditer(text):
            pass
    return time.thread_time() - begun


def reading_seconds(text: Any) -> float:
    """Processor time of looking at each character of the text once."""
    reader = _READ[isinstance(text, bytes)]
    begun = time.thread_time()
    for _ in reader.finditer(text):
        pass
    return time.thread_time() - begun


def worst(found: Found, length: int) -> tuple[float, str | bytes]:
    """The dearest of its texts: how many times as long as reading it takes, and how the text begins."""
    dearest: tuple[float, str | bytes] = (0.0, "")
    for text in texts(found.pattern, length):
        ratio = seconds_of(found, text) / max(reading_seconds(text), 1e-6)
        if ratio > dearest[0]:
            ratio = min(ratio, seconds_of(found, text) / max(reading_seconds(text), 1e-6))
            dearest = max(dearest, (ratio, text[:40]), key=lambda one: one[0])
    return dearest


def main() -> int:
    length = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    rows = sorted(((*worst(found, length), found) for found in all_patterns()), key=lambda row: -row[0])
    for ratio, text, found in rows[:20]:
        print(f"{ratio:9.1f}  {found.name:56} {text!r}")  # noqa: T201
    return 1 if rows[0][0] > MOST else 0


if __name__ == "__main__":
    sys.exit(main())
