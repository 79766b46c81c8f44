"""Images that runs make: what is read of one, and what a turn's record says of it. Their bytes are the store's."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from shared.core.error_codes import ErrorCode

MAX_IMAGE_BYTES = 8 * 1024 * 1024
MOST_IMAGES = 16  # of one turn
# Formats that browsers show and that cannot hold a script; by how they begin, since servers were seen to misname them.
_BEGINNINGS = (
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF8", "image/gif"),
    (8, b"WEBP", "image/webp"),
)


@dataclass(frozen=True, slots=True)
class MadeImage:
    """An image as its provider gives it."""

    data: str = field(repr=False)  # base64
    description: str | None = None  # what was drawn, in the words of the model that drew it
    width: int | None = None
    height: int | None = None


@dataclass(frozen=True, slots=True)
class Image:
    """An image in a turn's record."""

    image_id: str
    media_type: str | None  # None: it could not be kept, and `fault` says why
    size: int  # bytes
    description: str | None = None
    width: int | None = None
    height: int | None = None
    fault: ErrorCode | None = None


def record_of(turn_id: str, made: MadeImage, known: Sequence[Image]) -> Image:
    """What the record of the turn says of an image; `known` are those that it has already.

    The id is the same whichever holder reads the image, in whichever way and however often: some servers give items
    of two runs one id, so it is made of what was drawn.
    """
    drawn = hashlib.sha256(f"{turn_id}/{made.data}".encode()).hexdigest()
    image_id = f"{drawn[:8]}-{drawn[8:12]}-8{drawn[13:16]}-a{drawn[17:20]}-{drawn[20:32]}"  # RFC 9562, version 8
    size = len(made.data) * 3 // 4 - made.data.count("=", -2)
    kind, fault = None, None
    if size > MAX_IMAGE_BYTES:
        fault = ErrorCode.IMAGE_TOO_LARGE
    elif sum(one.fault is None and one.image_id != image_id for one in known) >= MOST_IMAGES:
        fault = ErrorCode.TOO_MANY_IMAGES
    elif (kind := _media_type(made.data)) is None:
        fault = ErrorCode.UNSUPPORTED_IMAGE
    return Image(image_id, kind, size, made.description, made.width, made.height, fault)


def _media_type(data: str) -> str | None:
    """None where the data are no base64, or no image of a kind that is shown."""
    try:
        content = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        return None
    return next((kind for at, begins, kind in _BEGINNINGS if content.startswith(begins, at)), None)


def told_in_words(text: str, images: Sequence[Image]) -> str:
    """A line of the transcript for a model that cannot see its images: a new thread does not have them."""
    notes = [
        f"[An image was made here{': ' + one.description if one.description else ''}. It is not in this thread.]"
        for one in images
    ]
    return "\n\n".join([text] * bool(text.strip()) + notes)
