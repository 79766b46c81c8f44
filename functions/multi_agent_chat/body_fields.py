"""What a request may say, field by field. Types are strict, nothing is guessed.

The characters of a text were checked when the body was read (functions/asgi/characters.py).
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Collection, Mapping
from typing import Any, TypeVar

from shared.core.error_codes import ErrorCode
from shared.core.errors import InvalidRequest
from shared.core.model import Scope, ScopeKind
from shared.core.turns import MultitaskStrategy

MAX_TEXT = 32_000
MAX_KEY = 255
DEFAULT_KEY = "default"  # of a user's scope that names none
MAX_PAIRS, MAX_PAIR_KEY, MAX_PAIR_VALUE = 16, 64, 512
MAX_SLUG = 52
MAX_TITLE = 200
MAX_TTL_HOURS = 876_000  # a hundred years
MAX_CHAT_ID = 200  # of a chat and of a message, by the ids that the AI SDK gives them
MAX_COUNT = 2**53 - 1  # what a browser can count to
MAX_SEQ = 2**31 - 1  # what the database counts lines with: no line has a higher number

UUID_PATTERN = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
SLUG_PATTERN = r"[a-z0-9]+(?:_[a-z0-9]+)*"
KEY_PATTERN = r"[\x21-\x7e]{1,255}"
_UUID, _SLUG, _IDEMPOTENCY_KEY = re.compile(UUID_PATTERN), re.compile(SLUG_PATTERN), re.compile(KEY_PATTERN)
_SHOWABLE_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
# Characters that show nothing although their category is not that of a blank or a format character.
_BLANK = re.compile(
    r"[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2065\u2800\u3164\ufe00-\ufe0f\uffa0\ufff0-\uffff"
    r"\U0001d159\U000e0000-\U000e0fff]"
)
_Word = TypeVar("_Word", MultitaskStrategy, ScopeKind)


def invalid(field: str, message: str, **details: Any) -> InvalidRequest:
    """The refusal of a field: `details` name what its message names, such as the limit."""
    return InvalidRequest(message, details={"field": field, **details})


def is_uuid(value: object) -> bool:
    """The canonical text of a UUID: lower case, with its hyphens, nothing around it."""
    return isinstance(value, str) and _UUID.fullmatch(value) is not None


def visible(text: str) -> bool:
    """Whether anything of this text can be seen. Characters younger than this Python's tables count as visible."""
    return any(
        unicodedata.category(char) not in ("Zs", "Zl", "Zp", "Cc", "Cf", "Cs") and not _BLANK.match(char)
        for char in text
    )


def known(document: Any, names: Collection[str], where: str = "") -> Mapping[str, Any]:
    """The document as an object that has no other fields than these."""
    if not isinstance(document, dict):
        raise invalid(where, f"{where} must be an object.") if where else InvalidRequest("Send a JSON object.")
    prefix = f"{where}." if where else ""
    for name in document:
        if name not in names:
            shown = f"{prefix}{name}" if _SHOWABLE_NAME.fullmatch(name) else where
            details = {"field": shown} if shown else {}
            raise InvalidRequest(code=ErrorCode.UNKNOWN_FIELD, details=details)
    return document


def text_in(document: Mapping[str, Any]) -> str:
    """The `message` field: a string, or the AI SDK's message with text parts only."""
    if "message" not in document:
        raise invalid("message", "message is missing.")
    return text_of(document["message"], "message")


def text_of(message: Any, field: str) -> str:
    """A message's text: the message itself, or its text parts joined by newlines. `field` is where it stands."""
    if isinstance(message, dict):
        message = _joined_parts(message, field)
    if not isinstance(message, str):
        raise invalid(field, f"{field} must be a text, or an object with text parts.")
    if not visible(message):
        raise invalid(field, f"{field} has nothing in it that can be seen.")
    if len(message) > MAX_TEXT:
        raise invalid(field, f"{field} must be at most {MAX_TEXT} characters long.", limit=MAX_TEXT)
    return message


def _joined_parts(message: dict[str, Any], field: str) -> str:
    known(message, ("id", "role", "parts", "metadata"), field)
    if message.get("role", "user") != "user":
        raise invalid(f"{field}.role", "Only a user's message can be sent.")
    if not isinstance(message.get("id", ""), str):
        raise invalid(f"{field}.id", f"{field}.id must be a text.")
    if not isinstance(message.get("metadata", {}), dict):
        raise invalid(f"{field}.metadata", f"{field}.metadata must be an object.")
    parts = message.get("parts")
    if not isinstance(parts, list) or not parts:
        raise invalid(f"{field}.parts", f"{field}.parts must be a list of text parts.")
    texts = []
    for part in parts:
        if not isinstance(part, dict) or part.get("type") != "text" or not isinstance(part.get("text"), str):
            raise invalid(f"{field}.parts", "Only parts of type text can be sent.")
        known(part, ("type", "text", "state", "providerMetadata"), f"{field}.parts")
        texts.append(part["text"])
    return "\n".join(texts)


def replaced_in(document: Mapping[str, Any]) -> str | None:
    """The turn that is to be answered anew: with another message (`replaces`), or with the same (`regenerate`)."""
    named = [field for field in ("replaces", "regenerate") if field in document]
    if not named:
        return None
    field = named[0]
    for other in ("regenerate", "scope", "multitask_strategy"):
        if other != field and other in document:
            raise invalid(other, f"{other} cannot be sent with {field}.")
    if field == "regenerate" and "message" in document:
        raise invalid("message", "message cannot be sent with regenerate; send replaces to change it.")
    if not is_uuid(document[field]):
        raise invalid(field, f"{field} must be a turn's id.")
    return str(document[field])


def conversation_id(document: Mapping[str, Any]) -> str | None:
    if "conversation_id" not in document:
        return None
    value = document["conversation_id"]
    if not isinstance(value, str) or not is_uuid(value):
        raise invalid("conversation_id", "conversation_id must be a UUID in lower case.")
    if "scope" in document:
        raise invalid("scope", "Send conversation_id or scope, not both.")
    return value


def scope(document: Mapping[str, Any]) -> Scope | None:
    if "scope" not in document:
        return None
    value = known(document["scope"], ("kind", "key", "ttl_hours"), "scope")
    kind = _word(ScopeKind, value.get("kind"), "scope.kind")
    if kind is ScopeKind.USER and "key" not in value:
        return Scope(kind, DEFAULT_KEY, _ttl_hours(value))
    return Scope(kind, short_text(value.get("key"), "scope.key", MAX_KEY), _ttl_hours(value))


def _ttl_hours(scope: Mapping[str, Any]) -> float | None:
    value = scope.get("ttl_hours", 0)
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= MAX_TTL_HOURS:
        message = f"scope.ttl_hours must be a number from 0 to {MAX_TTL_HOURS}."
        raise invalid("scope.ttl_hours", message, limit=MAX_TTL_HOURS)
    return float(value) if "ttl_hours" in scope else None


def agent(document: Mapping[str, Any]) -> str | None:
    if "agent" not in document:
        return None
    slug = document["agent"]
    if not isinstance(slug, str) or len(slug) > MAX_SLUG or not _SLUG.fullmatch(slug):
        raise invalid("agent", "agent must be an agent's slug, such as script_writer.")
    return slug


def strategy(document: Mapping[str, Any], default: MultitaskStrategy) -> MultitaskStrategy:
    if "multitask_strategy" not in document:
        return default
    return _word(MultitaskStrategy, document["multitask_strategy"], "multitask_strategy")


def wait_in_body(document: Mapping[str, Any], default: float) -> float:
    """How long the caller wants to wait, capped at `default`, the budget."""
    if "wait_seconds" not in document:
        return default
    value = document["wait_seconds"]
    if not isinstance(value, int | float) or isinstance(value, bool) or value < 0:
        raise invalid("wait_seconds", "wait_seconds must be a number, 0 or more.")
    if isinstance(value, float) and not math.isfinite(value):
        raise invalid("wait_seconds", "wait_seconds must be finite.")
    return float(min(value, default))


def metadata(document: Mapping[str, Any]) -> Mapping[str, str]:
    if "metadata" not in document:
        return {}
    pairs = document["metadata"]
    if not isinstance(pairs, dict) or len(pairs) > MAX_PAIRS:
        raise invalid("metadata", f"metadata must be an object with at most {MAX_PAIRS} texts.", limit=MAX_PAIRS)
    for key, value in pairs.items():
        short_text(key, "metadata", MAX_PAIR_KEY)
        if not isinstance(value, str) or len(value) > MAX_PAIR_VALUE:
            message = f"Values of metadata must be texts of at most {MAX_PAIR_VALUE} characters."
            raise invalid("metadata", message, limit=MAX_PAIR_VALUE)
    return pairs


def conversation_change(document: Any) -> Mapping[str, Any]:
    """What a PATCH of a conversation says: at least one of `title`, `archived` and `read_seq`."""
    fields = dict(known(document, ("title", "archived", "read_seq")))
    if not fields:
        raise InvalidRequest("Send title, archived or read_seq.")
    if "title" in fields:
        short_text(fields["title"], "title", MAX_TITLE)
    if not isinstance(fields.get("archived", False), bool):
        raise invalid("archived", "archived must be true or false.")
    read_seq = fields.get("read_seq", 0)
    if isinstance(read_seq, float) and read_seq.is_integer():
        read_seq = int(read_seq)  # 1.0 is 1 in JSON
    if not isinstance(read_seq, int) or isinstance(read_seq, bool) or not 0 <= read_seq <= MAX_COUNT:
        raise invalid("read_seq", "read_seq must be a whole number, 0 or more.")
    return fields | {"read_seq": min(read_seq, MAX_SEQ)} if "read_seq" in fields else fields


def idempotency_key(header: str | None) -> str | None:
    if header is not None and not _IDEMPOTENCY_KEY.fullmatch(header):
        raise InvalidRequest(code=ErrorCode.INVALID_IDEMPOTENCY_KEY)
    return header


def _word(words: type[_Word], value: object, field: str) -> _Word:
    try:
        return words(value) if isinstance(value, str) else words("")
    except ValueError:
        raise invalid(field, f"{field} must be one of: {', '.join(word.value for word in words)}.") from None


def short_text(value: object, field: str, longest: int) -> str:
    """One line of 1 to `longest` characters, of which some can be seen."""
    if not isinstance(value, str) or len(value) > longest or not visible(value) or "\n" in value or "\t" in value:
        raise invalid(field, f"{field} must be 1 to {longest} visible characters.", limit=longest)
    return value
