"""How the shapes of requests and answers are written down: as JSON Schema, the one of OpenAPI 3.1."""

from __future__ import annotations

import re
from typing import Any

from shared.core.turns import MultitaskStrategy, TurnStatus

Schema = dict[str, Any]

# The canonical text of a UUID: lower case, with its hyphens, nothing around it.
UUID_TEXT = re.compile(r"^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$")

TEXT: Schema = {"type": "string"}
COUNT: Schema = {"type": "integer", "minimum": 0}
FLAG: Schema = {"type": "boolean"}
TIME: Schema = {"type": "string"}
UUID: Schema = {"type": "string", "format": "uuid", "pattern": UUID_TEXT.pattern}
SOME_OBJECT: Schema = {"type": "object"}
STATUS: Schema = {"enum": [status.value for status in TurnStatus]}
STRATEGY: Schema = {"enum": [strategy.value for strategy in MultitaskStrategy]}


def nullable(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def listed(schema: Schema) -> Schema:
    return {"type": "array", "items": schema}


def reference(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def shaped(required: dict[str, Schema], optional: dict[str, Schema] | None = None) -> Schema:
    """An object with these fields and no others."""
    fields = {"type": "object", "properties": required | (optional or {}), "additionalProperties": False}
    return fields | ({"required": list(required)} if required else {})


def described(schema: Schema, description: str) -> Schema:
    """The schema with the words that stand behind "must be" where a value is refused, and in the document."""
    return schema | {"description": description}
