"""Images kept wrongly on purpose."""

from __future__ import annotations

from typing import Any

from shared.held_turn import HeldTurn
from shared.runs import kept_images
from tests.simulation.calls import Store
from tests.simulation.mutants import Mutant, in_python, instead

DRAWN = "a death where an image is kept"  # crashes.py: at each boundary


async def _not_kept(self: Store, *given: Any) -> None:
    return None


IMAGE_MUTANTS = (
    Mutant("an image is named and not kept", DRAWN, (instead(Store, "keep_image", _not_kept),), says="is not kept"),
    Mutant("an image is kept and not named", DRAWN, (
        in_python(HeldTurn, "record_of", ("images=run.kept_images", "images=()")),
    ), says="has lost"),
    Mutant("an image that is read again is another one", DRAWN, (
        in_python(kept_images, "record_of", ('f"{turn_id}/{made.data}"', 'f"{turn_id}/{object()}"')),
    ), says="does not name"),
)  # fmt: skip
