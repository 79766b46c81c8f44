"""Images on the thread/run wire: files that messages name, read and kept where the server gives them."""

from __future__ import annotations

import base64

import pytest

from dev.emulator.picture import picture
from dev.emulator.testing import RunningEmulator
from shared.core.error_codes import ErrorCode
from shared.core.turns import TurnStatus
from tests.service.instances import Instances, new_user


@pytest.fixture
def wire() -> str:
    return "assistants"


@pytest.mark.parametrize("words", ["Look.", ""])
async def test_an_image_is_kept_with_words_and_without(instances: Instances, words: str) -> None:
    one, user = await instances.make(), new_user()
    turn = await one.send(user, f"[[image a red fox]] [[say {words}]]")
    assert (turn.status, turn.reply) == (TurnStatus.COMPLETED, words), turn.error
    (image,) = turn.images
    piece = await one.store.read_image(user.id, image.image_id)
    assert base64.b64decode(piece.data) == picture("a red fox")
    assert (await one.send(user, "next", turn.conversation_id)).reply == "Emulated reply 2 to: next"


async def test_an_image_whose_file_is_gone_is_told_beside_the_words(
    instances: Instances, emulator: RunningEmulator
) -> None:
    one, user = await instances.make(), new_user()
    gone = {"error": {"message": "No such File object: file_1", "type": "invalid_request_error", "code": None}}
    await emulator.fault(path="/files/", action={"kind": "status", "status": 404, "body": gone})
    turn = await one.send(user, "[[image a red fox]] [[say Look.]]")
    assert (turn.status, turn.reply) == (TurnStatus.COMPLETED, "Look."), turn.error
    assert [image.fault for image in turn.images] == [ErrorCode.UNSUPPORTED_IMAGE]
