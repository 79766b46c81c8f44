"""What the record says of an image: its id, its kind, and why one is not kept."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest

from shared.core import images
from shared.core.error_codes import ErrorCode
from shared.core.images import MAX_IMAGE_BYTES, MOST_IMAGES, Image, MadeImage, record_of, told_in_words


def made(content: bytes) -> MadeImage:
    return MadeImage(base64.b64encode(content).decode(), "an owl", 4, 3)


PNG = b"\x89PNG\r\n\x1a\n" + b"owl"


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image/webp"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>", None),
        (b"RIFF\x00\x00\x00\x00WAVE", None),
        (b"", None),
    ],
)
def test_the_kind_is_what_the_bytes_say(content: bytes, kind: str | None) -> None:
    image = record_of("t", made(content), ())
    assert (image.media_type, image.size) == (kind, len(content))
    assert image.fault is (None if kind else ErrorCode.UNSUPPORTED_IMAGE)
    assert (image.description, image.width, image.height) == ("an owl", 4, 3)


def test_what_is_no_base64_is_not_kept() -> None:
    assert record_of("t", MadeImage("not base64!"), ()).fault is ErrorCode.UNSUPPORTED_IMAGE


def test_the_id_is_the_same_for_the_same_drawing_of_a_turn() -> None:
    one = record_of("t", made(PNG), ())
    assert one == record_of("t", made(PNG), (one,))
    assert (
        len({one.image_id, record_of("t", made(PNG + b"s"), ()).image_id, record_of("u", made(PNG), ()).image_id}) == 3
    )


@pytest.mark.parametrize(("more", "fault"), [(0, None), (1, ErrorCode.IMAGE_TOO_LARGE)])
def test_one_that_is_too_large_is_not_read(more: int, fault: ErrorCode | None, monkeypatch: pytest.MonkeyPatch) -> None:
    assert MAX_IMAGE_BYTES == 8 * 1024 * 1024, "as the table checks"
    monkeypatch.setattr(images, "MAX_IMAGE_BYTES", len(PNG))
    assert record_of("t", made(PNG + b"x" * more), ()).fault is fault


def test_a_turn_keeps_so_many() -> None:
    kept: list[Image] = []
    for number in range(MOST_IMAGES + 1):
        kept.append(record_of("t", made(PNG + bytes([number])), kept))
    assert [image.fault for image in kept] == [None] * MOST_IMAGES + [ErrorCode.TOO_MANY_IMAGES]
    assert record_of("t", made(PNG + b"\x00"), kept) == kept[0], "read again, it is none more"
    faulty = [replace(one, fault=ErrorCode.UNSUPPORTED_IMAGE) for one in kept[:MOST_IMAGES]]
    assert record_of("t", made(PNG), faulty).fault is None


@pytest.mark.parametrize(
    ("text", "description", "told"),
    [
        ("Look.", "an owl", "Look.\n\n[An image was made here: an owl. It is not in this thread.]"),
        (" ", None, "[An image was made here. It is not in this thread.]"),
    ],
)
def test_a_new_thread_is_told_in_words(text: str, description: str | None, told: str) -> None:
    assert told_in_words(text, (Image("i", "image/png", 1, description),)) == told
    assert told_in_words("Look.", ()) == "Look."
