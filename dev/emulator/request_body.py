"""Reading what a client sends: bodies, texts, metadata, pages."""

import json
from typing import TypeVar

from starlette.requests import Request

from dev.emulator import errors
from dev.emulator.errors import Json

T = TypeVar("T")

METADATA_PAIRS = 16
METADATA_KEY = 64
METADATA_VALUE = 512
PAGE_LIMIT = 100

"""Key of the ASGI scope's event that a create sets once it has taken effect, for faults that strike after that."""


async def read_body(request: Request) -> Json:
    raw = await request.body()
    try:
        body = json.loads(raw) if raw.strip() else {}
    except ValueError as error:
        raise errors.ApiError("We could not parse the JSON body of your request.") from error
    if not isinstance(body, dict):
        raise errors.ApiError("The body of a request is a JSON object.")
    return body


def read_metadata(body: Json) -> dict[str, str]:
    """The vendor's limits: 16 pairs, keys of 64 and values of 512 characters."""
    metadata = body.get("metadata") or {}
    if not isinstance(metadata, dict):
        raise errors.invalid_parameter("metadata", "expected an object")
    if len(metadata) > METADATA_PAIRS:
        raise errors.invalid_parameter("metadata", f"at most {METADATA_PAIRS} pairs, got {len(metadata)}")
    for key, value in metadata.items():
        if not isinstance(value, str):
            raise errors.invalid_parameter(f"metadata.{key}", "expected a string")
        if len(key) > METADATA_KEY or len(value) > METADATA_VALUE:
            raise errors.invalid_parameter(f"metadata.{key}", "string too long")
    return dict(metadata)


def read_list(body: Json, name: str) -> list[Json]:
    items = body.get(name) or []
    if not isinstance(items, list) or not all(isinstance(each, dict) for each in items):
        raise errors.invalid_parameter(name, "expected an array of objects")
    return items


def text_of(content: object) -> str:
    """The text of a message's content, a string or parts of any kind that have one."""
    if isinstance(content, str):
        return content
    texts: list[str] = []
    for part in content if isinstance(content, list) else []:
        text = part.get("text") if isinstance(part, dict) else None
        if isinstance(text, dict):
            text = text.get("value")
        if isinstance(text, str):
            texts.append(text)
    return "\n".join(texts)
