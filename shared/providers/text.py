"""Text from outside, made fit for our rows and for our logs."""

from __future__ import annotations

import re

from shared.core.redaction import redact

EXCERPT_CHARS = 200
ID_CHARS = 4096
"""How much of a provider's own words an error of ours may carry."""

# An apostrophe inside a word opens nothing: a quotation starts after a space or a bracket and ends before one. One
# that never ends reaches to the end of the text.
_QUOTATION = re.compile(
    r"(?<![^\s(\[{<:=,;>*])(?:"
    r"'(?P<single>(?:\\.|[^\\]){0,5000}?)'(?![\w'])"
    r"|\"(?P<double>(?:\\.|[^\\]){0,5000}?)\"(?![\w\"])"
    r"|`(?P<tick>[^`]{0,5000})`"
    r"|(?P<open>['\"`]\S.*)$"
    r")"
    r"|[\u201c\u201e](?P<curly>[^\u201c\u201d]{0,5000})[\u201c\u201d]"
    r"|\u00ab(?P<angle>[^\u00bb]{0,5000})\u00bb"
    r"|(?<!\w)\u2018(?P<low>[^\u2018]{0,5000}?)\u2019(?!\w)"
    r"|(?P<open_curly>[\u201c\u201e\u00ab].*)$",
    re.DOTALL,
)
# An escaped backslash escapes nothing itself, and a pair of surrogates is a whole character.
_ESCAPE = re.compile(
    r"\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    r"|(?P<nul>\\u0000)|(?P<lone>\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
)
_APOSTROPHE = re.compile(r"(?<=\w)\u2019(?=\w)")
_PATH_STEP = re.compile(rf"[^\x00-\x20\x7f-\xa0\\?#%\ud800-\udfff]{{1,{ID_CHARS}}}")
_NO_NAMES = frozenset({"", ".", ".."})
_SPACES = re.compile(r"[\s\u00a0\u200b\ufeff]+")
_PARAMETER = re.compile(r"[a-z][a-z0-9_.\[\]]{0,39}")
_ELLIPSIS = "\u2026"


def is_path_step(identifier: str) -> bool:
    """Whether a path with this id in it leads where it should, also behind servers that decode a path once more.

    Some servers' ids are names with slashes, which are sent escaped: then no part of them may lead up.
    """
    return _PATH_STEP.fullmatch(identifier) is not None and _NO_NAMES.isdisjoint(identifier.split("/"))


def clean(text: str) -> str:
    """The text as Postgres takes it: NUL dropped, lone surrogates replaced. Models have been seen to send both."""
    if "\x00" in text:
        text = text.replace("\x00", "")
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def clean_json(text: str) -> str:
    """JSON text that is clean when it is parsed as well: the same characters hide in escapes."""
    instead = {"nul": "", "lone": "\\ufffd"}
    return _ESCAPE.sub(lambda found: instead.get(found.lastgroup or "", found[0]), clean(text))


def one_line(text: str) -> str:
    """White space of every kind as single spaces, a typographic apostrophe inside a word as a plain one."""
    return _APOSTROPHE.sub("'", _SPACES.sub(" ", text)).strip()


def without_quotations(text: str) -> str:
    """What the speaker says, without what it quotes: a quoted phrase becomes an ellipsis, a quoted word stays bare.

    Servers quote ids and parameter names, and they quote what a user wrote; of these only the last has spaces in it.
    """

    def bare(quotation: re.Match[str]) -> str:
        inside = _inside(quotation).strip()
        return inside if inside and " " not in one_line(inside) else _ELLIPSIS

    return _QUOTATION.sub(bare, text)


def excerpt(text: str) -> str:
    """A bounded line for a log: nothing quoted but parameter names, since it may be a user's message; no secrets."""

    def name_only(quotation: re.Match[str]) -> str:
        inside = _inside(quotation)
        return f"'{inside}'" if _PARAMETER.fullmatch(inside) else _ELLIPSIS

    line = _QUOTATION.sub(name_only, one_line(clean(text[: EXCERPT_CHARS * 20])))
    line = redact(line)
    return line if len(line) <= EXCERPT_CHARS else line[: EXCERPT_CHARS - 1] + _ELLIPSIS


def _inside(quotation: re.Match[str]) -> str:
    """The quoted text; empty where the quotation never ends."""
    kind = quotation.lastgroup or ""
    return "" if kind.startswith("open") else quotation[kind] or ""
