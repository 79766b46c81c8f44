"""The route of images: whole bytes in pieces, and answers that name it."""

from __future__ import annotations

import base64
import uuid

import httpx

from functions.multi_agent_chat import markdown, render, ui_transcript
from shared.core.error_codes import ErrorCode
from shared.core.images import Image
from shared.core.model import Message
from shared.core.turns import RunRecord
from tests.http.fakes import PIECE_BYTES, FakeChat
from tests.http.shapes import assert_answer, assert_error
from tests.http.tokens import ALICE, BOB, bearer

KEPT = Image("00000000-0000-8000-a000-000000000001", "image/png", 5, "an owl", 256, 128)
LEFT_OUT = Image("00000000-0000-8000-a000-000000000002", None, 9_000_000, fault=ErrorCode.IMAGE_TOO_LARGE)
SHOWN = {
    "image_id": KEPT.image_id,
    "bytes": 5,
    "url": f"/images/{KEPT.image_id}",
    "media_type": "image/png",
    "description": "an owl",
    "width": 256,
    "height": 128,
}
TOLD = {"code": "image_too_large", "message": "The image is too large to be kept."}


async def test_an_image_of_several_pieces_comes_whole(http: httpx.AsyncClient, chat: FakeChat) -> None:
    image, content = str(uuid.uuid4()), bytes(range(256)) * 4
    assert len(content) > 3 * PIECE_BYTES
    chat.images[ALICE, image] = content
    response = await http.get(f"/images/{image}", headers=bearer())
    assert (response.status_code, response.content) == (200, content)
    assert response.headers["content-type"] == "image/png"
    assert response.headers["content-length"] == str(len(content))
    assert response.headers["x-content-type-options"] == "nosniff"
    head = await http.head(f"/images/{image}", headers=bearer())
    assert (head.status_code, head.headers["content-length"], head.content) == (200, str(len(content)), b"")
    assert_error(await http.get(f"/images/{image}", headers=bearer(BOB)), 404, "not_found")
    assert_error(await http.get("/images/none", headers=bearer()), 404, "not_found")


async def test_a_reply_names_its_images_and_says_what_was_left_out(http: httpx.AsyncClient, chat: FakeChat) -> None:
    runs = (RunRecord("r1", "project_manager", "completed", images=(KEPT, LEFT_OUT)),)
    turn = chat.add(ALICE, reply="", runs=runs)
    state = assert_answer(await http.get(f"/turns/{turn.turn_id}", headers=bearer()), 200)
    left_out = {"image_id": LEFT_OUT.image_id, "bytes": 9_000_000, "error": TOLD}
    assert state["reply"] == {"text": "", "images": [SHOWN, left_out]}
    assert state["runs"][0]["images"] == [SHOWN, left_out]
    assert "images" not in render.turn_answer(turn, replayed=False, quoting=False)["runs"][0]


async def test_everything_of_a_user_has_the_bytes_of_images(http: httpx.AsyncClient, chat: FakeChat) -> None:
    content = b"o" * (2 * PIECE_BYTES + 1)
    chat.add(ALICE)
    chat.drawn = (KEPT, LEFT_OUT)
    chat.images[ALICE, KEPT.image_id] = content
    body = assert_answer(await http.get("/me/export", headers=bearer()), 200)
    (conversation,) = body["conversations"]
    assert [line["images"] for line in conversation["lines"]][-1] == [SHOWN, conversation["lines"][-1]["images"][1]]
    (image,) = conversation["images"]
    assert (image["image_id"], image["media_type"]) == (KEPT.image_id, "image/png")
    assert base64.b64decode(image["base64"]) == content


def test_a_line_with_images_in_every_format() -> None:
    line = Message("l", 2, "t", 1, "assistant", "painter", "", "2026-11-20T12:00:00+00:00", images=(KEPT, LEFT_OUT))
    (message,) = ui_transcript.ui_message_list([line], 10, backwards=False)["messages"]
    about = {name: value for name, value in SHOWN.items() if name not in ("url", "media_type")}
    file = {"type": "file", "mediaType": "image/png", "url": SHOWN["url"]}
    assert message["parts"] == [
        file | {"providerMetadata": {"multi-agent-chat": about}},
        {
            "type": "data-image",
            "id": LEFT_OUT.image_id,
            "data": {"image_id": LEFT_OUT.image_id, "bytes": 9_000_000, "error": TOLD},
        },
    ]
    assert "*(an image: an owl)*" in markdown.line(line)
