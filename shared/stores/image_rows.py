"""ImageStore over PostgREST."""

from __future__ import annotations

from shared.core.images import Image
from shared.ports import ImagePiece, Lease
from shared.stores.answers import by_outcome, gone, nothing
from shared.stores.lane import Rank
from shared.stores.rows import read_image_piece
from shared.stores.rpc import DatabaseCalls

IMAGE_SECONDS = 20.0  # for a call with an image in it: slow ways to the database take megabytes at their own pace


class ImageRows:
    def __init__(self, rpc: DatabaseCalls) -> None:
        self._rpc = rpc

    async def keep_image(self, lease: Lease, turn_id: str, image: Image, data: str) -> None:
        await self._rpc.call(
            "chat_keep_image",
            by_outcome({"ok": nothing, "final": nothing, "not_found": gone}),
            rank=Rank.HOLD,
            seconds=IMAGE_SECONDS,
            user=lease.user_id,
            conversation=lease.conversation_id,
            epoch=lease.epoch,
            turn=turn_id,
            image=image.image_id,
            media_type=image.media_type,
            data=data,
        )

    async def read_image(self, user_id: str, image_id: str, start: int = 0) -> ImagePiece:
        return await self._rpc.call(
            "chat_read_image", by_outcome({"ok": read_image_piece}), user=user_id, image=image_id, start=start
        )
