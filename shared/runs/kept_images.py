"""Puts the images of a run that has ended into the store, before anything on record names them."""

from __future__ import annotations

from dataclasses import replace

from shared.core.chat_events import ImageMade
from shared.core.images import Image, record_of
from shared.core.runs import RunState
from shared.held_turn import HeldTurn
from shared.instance.instance import Instance


async def keep_images(
    hold: HeldTurn, instance: Instance, run: RunState, agent: str, *, in_keep: bool = False
) -> RunState:
    """The run with its images on record; as it is where it has made none, which costs no call of the database.

    A holder that dies behind this leaves images that no answer names: the next one reads the run again and keeps the
    same ones. `agent` made them. `in_keep`: this happens inside of `HeldTurn.keep`. Raises Fenced, StoreUnavailable.
    """
    kept: list[Image] = []
    for made in run.images:
        known = [image for image in hold.turn.images if image.image_id not in {one.image_id for one in kept}] + kept
        image = record_of(hold.turn.turn_id, made, known)
        if image in kept:
            continue
        if image.media_type is not None:
            keeping = instance.store.keep_image(hold.lease, hold.turn.turn_id, image, made.data)
            await (keeping if in_keep else hold.keep(keeping, stoppable=False))
        kept.append(image)
        instance.tell(hold.turn, ImageMade(agent, image))
    return replace(run, images=(), kept_images=tuple(kept)) if run.images else run
