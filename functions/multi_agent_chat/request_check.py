"""Decides by the schema that the document shows whether a value may be taken, and says what is wrong with it.

It reads the keywords that request_schemas.py uses. A JSON Schema library would know all of them, and would say of most
faults only that no alternative fits; it serves the tests as the judge of the same bodies.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from functions.multi_agent_chat.json_schema import Schema
from functions.multi_agent_chat.request_schemas import ANY_VALUE, BODIES, PATTERNS, SHARED
from shared.core.error_codes import ErrorCode
from shared.core.errors import InvalidRequest

KEYWORDS = frozenset(
    {"$ref", "type", "enum", "const", "anyOf", "pattern", "maxLength", "minimum", "maximum"}
    | {"items", "maxItems", "contains", "properties", "required", "additionalProperties", "propertyNames"}
    | {"minProperties", "maxProperties", "dependentSchemas"}
)
NOTES = frozenset({"description", "$comment", "default", "format"})  # which decide nothing

_SHOWABLE_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_REFERRED = {f"#/components/schemas/{name}": schema for name, schema in {**BODIES, **SHARED}.items()}
_NAMES = {
    "null": "null",
    "boolean": "true or false",
    "number": "a number",
    "integer": "a whole number",
    "string": "a text",
    "array": "a list",
    "object": "an object",
}
Faults = Iterator[InvalidRequest]


def invalid(field: str, message: str, **details: Any) -> InvalidRequest:
    """The refusal of a field: `details` name what its message names, such as the limit."""
    return InvalidRequest(message, details={"field": field, **details} if field else details)


def check(value: Any, schema: Schema, place: str = "") -> None:
    """Raises InvalidRequest for what is not as the schema says; `place` is the value's name, none for a body."""
    if fault := next(_faults(value, schema, place), None):
        raise fault


def _faults(value: Any, schema: Schema, place: str) -> Faults:
    if (referred := _REFERRED.get(schema.get("$ref", ""))) is not None and referred is not ANY_VALUE:
        yield from _faults(value, referred, place)  # any value: its texts were checked as the body was read
    words = schema.get("enum", [schema["const"]] if "const" in schema else None)
    if not _is_of_type(value, schema) or (words is not None and value not in words):
        yield _not_as(schema, place)
    elif isinstance(value, str):
        yield from _text_faults(value, schema, place)
    elif isinstance(value, dict):
        yield from _object_faults(value, schema, place)
    elif isinstance(value, list):
        yield from _list_faults(value, schema, place)
    elif isinstance(value, int | float) and not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        yield _not_as(schema, place, schema.get("maximum"))
    yield from _choice_faults(value, schema, place)


def _text_faults(text: str, schema: Schema, place: str) -> Faults:
    if len(text) > schema.get("maxLength", len(text)):
        yield _not_as(schema, place, schema["maxLength"])
    if "pattern" in schema and not PATTERNS[schema["pattern"]].fullmatch(text):
        yield _not_as(schema, place)


def _list_faults(items: list[Any], schema: Schema, place: str) -> Faults:
    if "contains" in schema and not items:
        yield _not_as(schema, place)
    if len(items) > schema.get("maxItems", len(items)):
        yield _not_as(schema, place, schema["maxItems"])
    if "items" in schema:
        for item in items:
            yield from _faults(item, schema["items"], place)
    if "contains" in schema:
        faults = [fault for item in items if (fault := next(_faults(item, schema["contains"], place), None))]
        if faults and len(faults) == len(items):
            yield faults[-1]  # of the newest


def _object_faults(document: Mapping[str, Any], schema: Schema, place: str) -> Faults:
    fields: Mapping[str, Schema] = schema.get("properties", {})
    others = schema.get("additionalProperties", True)
    for name in document:  # first of all what kind of object it is
        if "const" in fields.get(name, {}):
            yield from _faults(document[name], fields[name], _inside(place, name))
    for name in document:
        if name not in fields and others is False:
            shown = _inside(place, name) if _SHOWABLE_NAME.fullmatch(name) else place
            yield InvalidRequest(code=ErrorCode.UNKNOWN_FIELD, details={"field": shown} if shown else {})
    if len(document) < schema.get("minProperties", 0):
        yield _not_as(schema, place)
    if len(document) > schema.get("maxProperties", len(document)):
        yield _not_as(schema, place, schema["maxProperties"])
    for name, excluded in schema.get("dependentSchemas", {}).items():
        for other in excluded["properties"]:
            if name in document and other in document:
                yield invalid(_inside(place, other), f"{_inside(place, other)} cannot be sent with {name}.")
    for name in schema.get("required", ()):
        if name not in document:
            yield invalid(_inside(place, name), f"{_inside(place, name)} is missing.")
    for name, value in document.items():
        if "propertyNames" in schema:
            yield from _faults(name, schema["propertyNames"], place)
        if name in fields:
            yield from _faults(value, fields[name], _inside(place, name))
        elif isinstance(others, dict):
            yield from _faults(value, others, place)


def _choice_faults(value: Any, schema: Schema, place: str) -> Faults:
    """Of the alternatives that are for such a value, the first says what is wrong with it."""
    if "anyOf" not in schema:
        return
    faults = [next(_faults(value, one, place), None) for one in schema["anyOf"]]
    if None in faults:
        return
    for one, fault in zip(schema["anyOf"], faults, strict=True):
        if fault is not None and _is_of_type(value, one):
            yield fault
            return
    yield _not_as(schema, place)


def _is_of_type(value: Any, schema: Schema) -> bool:
    types = schema.get("type", ())
    return not types or any(_IS[one](value) for one in ([types] if isinstance(types, str) else types))


_IS: Mapping[str, Callable[[Any], bool]] = {
    "null": lambda value: value is None,
    "boolean": lambda value: isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool) and _finite(value),
    "integer": lambda value: _IS["number"](value) and value == value // 1,
    "string": lambda value: isinstance(value, str),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
}


def _finite(value: float) -> bool:
    return not isinstance(value, float) or math.isfinite(value)  # 1e999 is read as an infinity


def _not_as(schema: Schema, place: str, limit: float | None = None) -> InvalidRequest:
    details = {} if limit is None else {"limit": limit}
    return invalid(place, f"{place or 'The body'} must be {_described(schema)}.", **details)


def _described(schema: Schema) -> str:
    if "description" in schema:
        return str(schema["description"])
    if "const" in schema or "enum" in schema:
        words = schema.get("enum", [schema.get("const")])
        return f"one of: {', '.join(map(str, words))}" if len(words) > 1 else str(words[0])
    named = _NAMES.get(schema.get("type", ""), "as the document of this API says")
    least, most = schema.get("minimum"), schema.get("maximum")
    if most is not None:
        return f"{named} from {least} to {most}"
    return named if least is None else f"{named}, {least} or more"


def _inside(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name
