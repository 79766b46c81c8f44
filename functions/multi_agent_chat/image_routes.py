"""The endpoint of images that agents have made: their bytes, to the user whose turn they belong to."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from functions.multi_agent_chat.dependencies import Dependencies
from functions.multi_agent_chat.url_fields import id_in
from shared.ports import ImagePiece


class ImageRoutes:
    def __init__(self, deps: Dependencies) -> None:
        self._deps = deps

    async def get_image(self, request: Request) -> Response:
        """Sent a piece at a time, so that a slow reader costs one piece of memory."""
        user, image_id = await self._deps.reader(request), id_in(request)
        first = await self._deps.read(self._deps.store.read_image(user.id, image_id))
        headers = {"content-length": str(first.size)}
        if request.method == "HEAD":
            return Response(headers=headers, media_type=first.media_type)
        return StreamingResponse(self._content(user.id, image_id, first), headers=headers, media_type=first.media_type)

    async def _content(self, user_id: str, image_id: str, first: ImagePiece) -> AsyncIterator[bytes]:
        async for piece in self._deps.image_pieces(user_id, image_id, first):
            yield base64.b64decode(piece.data)
