"""What may be shown of words that a provider writes where an id or a code belongs: they may be a key, or a diary."""

from __future__ import annotations

import hashlib
import re
from typing import Any

UNKNOWN_CODE = "unknown"
_SECRETS = re.compile(
    r"\b(?:sk|rk|pk|sess|ek|sb_secret|sb_publishable)[-_][\w\-*.]{3,}"
    r"|\bbearer\s+\S+"
    r"|\beyJ[\w\-]{8,}[\w\-.]*"
    r"|\b[\w-]{0,40}(?:api[-_ ]?key|secret|token|password)[\"']?\s*[=:]\s*[\"']?[^\s\"',;}]+",
    re.IGNORECASE,
)
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:\-]{0,127}")
_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_.\-]{0,63}")
_ID_FIELDS = frozenset({"run_id", "active_run", "call_id", "thread_id"})


def redact(text: str) -> str:
    """The text without keys, bearer tokens, JSON Web Tokens and what stands behind the name of a secret."""
    return _SECRETS.sub("***", text)


def shown_id(identifier: str | None) -> str | None:
    """An id that looks like one, as it is; of anything else a digest, which is the same for the same id."""
    if identifier is None:
        return None
    if _ID.fullmatch(identifier) and redact(identifier) == identifier:
        return identifier
    return f"id-{hashlib.sha256(identifier.encode('utf-8', 'replace')).hexdigest()[:16]}"


def shown_code(code: str) -> str:
    """A code that looks like one; `unknown` for anything else."""
    return code if _CODE.fullmatch(code) and redact(code) == code else UNKNOWN_CODE


def redacted(value: Any, name: str = "") -> Any:
    """A value that is to be logged, with all texts in it fit to be shown; `name` is the field it stands in."""
    if isinstance(value, str):
        return shown_id(value) if name in _ID_FIELDS else redact(value)
    if isinstance(value, dict):
        return {key: redacted(each, str(key)) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [redacted(each, name) for each in value]
    return value
