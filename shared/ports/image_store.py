"""The images of turns, as the core needs them kept."""

from __future__ import annotations

from typing import Protocol

from shared.core.images import Image
from shared.ports.records import ImagePiece, Lease


class ImageStore(Protocol):
    """Raises StoreUnavailable beside what each method names."""

    async def keep_image(self, lease: Lease, turn_id: str, image: Image, data: str) -> None:
        """Keep an image of the turn, `data` being base64. Nothing is kept where the turn is final. Raises Fenced."""
        ...

    async def read_image(self, user_id: str, image_id: str, start: int = 0) -> ImagePiece:
        """A piece of an image's bytes, from byte `start` on. Raises NotFound."""
        ...
