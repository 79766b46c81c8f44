"""Images in the records: each that a run has drawn is named there once and kept once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from tests.simulation.record import Record, name_of

IMAGES = "select turn_id::text || ' ' || id::text from public.chat_images"


def drawn_is_kept(record: Record) -> Iterator[str]:
    """G1: no image is lost, and none is doubled, at whichever place its holder has died."""
    if not record.world.profile.draws:
        return
    kept = [row.split(" ") for row in record.world.database.texts(IMAGES)]
    for turn in record.turns:
        named = [image["image_id"] for run in turn["runs"] for image in run.get("images", ())]
        leader = record.leader(turn)["turn_id"]  # whose answer is that of the messages joined to it
        stored = [image_id for turn_id, image_id in kept if turn_id == leader]
        if len(named) != len(set(named)):
            yield f"G1 {name_of(turn)} names an image twice"
        if lost := set(named) - set(stored):
            yield f"G1 {name_of(turn)} names {lost}, which is not kept"
        if turn["status"] != "completed" or turn["joined_to"] is not None:
            continue
        bare = [run["run_id"] for run in turn["runs"] if run["status"] == "completed" and not run.get("images")]
        if bare:
            yield f"G1 {name_of(turn)} has lost what {bare} have drawn"
        runs = record.runs[turn["turn_id"]] + record.asked[turn["turn_id"]]
        if len(runs) == len(turn["runs"]) and (doubled := set(stored) - set(named)):
            yield f"G1 {name_of(turn)} keeps {doubled}, which it does not name"


DRAWN_CHECKS: tuple[Callable[[Record], Iterable[str]], ...] = (drawn_is_kept,)
