"""Every watcher of a turn hears everything once and in order, at its own pace."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from shared.core.chat_events import ChatEvent, HandoffMade, ImageMade, MessageDelta, RunStarted, TurnQueued
from shared.core.images import Image
from shared.core.runs import Handoff
from shared.core.turns import RunRecord, TurnStatus
from shared.instance.turn_log import LogReader, TurnLog, TurnLogs
from shared.live_turn import retell
from shared.runs.follow import tell
from tests.http.fakes import make_turn


def words(events: list[ChatEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, MessageDelta))


@given(st.text(min_size=1, max_size=60), st.lists(st.tuples(st.integers(0, 70), st.integers(0, 20)), max_size=20))
def test_the_text_is_heard_once_however_its_pieces_arrive(text: str, pieces: list[tuple[int, int]]) -> None:
    log = TurnLog()
    reader, heard = LogReader(log), ""
    for at, length in pieces:
        log.say("r", "a", at, text[at : at + length])
        heard += words(list(reader.take()))
    log.say("r", "a", 0, text)
    heard += words(list(reader.take()))
    assert heard == text
    assert words(list(LogReader(log).take())) == text, "a late reader hears the same"


def test_runs_whose_ids_never_arrived_are_told_each_in_its_place() -> None:
    log = TurnLog()
    told: Any = SimpleNamespace(
        tell=lambda _, event: log.add(event), say=lambda _, run_id, agent, at, text: log.say(run_id, agent, at, text)
    )
    runs = (RunRecord("r1", "a", "completed", "One."), RunRecord(None, "a", "completed", "Two."))
    turn = make_turn("u", agent="a", runs=runs[:1])
    for run_id, text in (("r1", "One."), (None, "Two."), ("r3", "Three.")):
        hold: Any = SimpleNamespace(turn=turn, agent=SimpleNamespace(slug="a"))
        tell(hold, told, run_id, 0, text)
        turn = replace(turn, runs=(*runs, RunRecord("r3", "a", "in_progress")) if run_id is None else runs[:1])
    ended = (*runs, RunRecord("r3", "a", "completed"))
    retell(log, replace(turn, status=TurnStatus.COMPLETED, runs=ended, reply="One.\n\nTwo.\n\nThree."))
    assert words(list(LogReader(log).take())) == "One.Two.Three."


def test_events_keep_their_places_between_words_and_are_not_repeated() -> None:
    log = TurnLog()
    made = HandoffMade("a", "b", "why", "what")
    for position in (2, 1, 1):
        log.add(TurnQueued(position))
    for _ in range(2):  # told again, by a source that does not know
        log.add(RunStarted("r1", "a"))
        log.say("r1", "a", 0, "one ")
        log.add(made)
        log.add(RunStarted("r2", "b"))
        log.say("r2", "b", 0, "two")
    log.say("r1", "a", 4, "more")
    assert list(LogReader(log).take()) == [
        TurnQueued(2),
        TurnQueued(1),
        RunStarted("r1", "a"),
        MessageDelta("r1", "a", "one "),
        made,
        RunStarted("r2", "b"),
        MessageDelta("r2", "b", "two"),
        MessageDelta("r1", "a", "more"),
    ]


async def test_a_reader_is_woken_by_what_comes() -> None:
    log = TurnLog()
    waiting = asyncio.ensure_future(log.changed())
    await asyncio.sleep(0)
    assert not waiting.done()
    log.say("r", "a", 0, "x")
    await asyncio.wait_for(waiting, 1)
    assert not log.admitted.is_set()
    log.add(RunStarted("r", "a"))
    assert log.admitted.is_set()


async def test_a_log_and_what_fills_it_live_as_long_as_it_is_watched() -> None:
    logs, filled, ended = TurnLogs(), list[TurnLog](), asyncio.Event()
    turn, other = make_turn("u"), make_turn("u")

    async def fill(log: TurnLog) -> None:
        filled.append(log)
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    with logs.watched(turn, fill) as first:
        with logs.watched(turn, fill) as second:
            assert first is second
            await asyncio.sleep(0)
        assert logs.of(turn) is first
        assert logs.of(other) is None
        assert logs.covered_by(turn) == [first]
        assert not ended.is_set()
    assert logs.of(turn) is None
    await asyncio.wait_for(ended.wait(), 1)
    assert filled == [first]
    with logs.fed(turn):
        assert logs.is_fed(turn)
    assert not logs.is_fed(turn)


def test_a_row_tells_an_image_with_its_run_and_what_the_holder_has_told_once() -> None:
    first, asked, second = (Image(f"i{n}", "image/png", 1) for n in range(3))
    runs = (
        RunRecord("r1", "painter", "completed", "Look.", images=(first,)),
        RunRecord("r2", "helper", "completed", asked_by="painter", images=(asked,)),
        RunRecord("r3", "clerk", "completed", images=(second,)),
    )
    handoff = Handoff("painter", "clerk", "why", "what")
    log = TurnLog()
    log.add(ImageMade("painter", first))
    retell(log, make_turn("u", reply="Done.", runs=runs, handoffs=(handoff,)))
    told = [one for one in LogReader(log).take() if isinstance(one, ImageMade | HandoffMade)]
    assert told == [
        ImageMade("painter", first),
        ImageMade("helper", asked),
        HandoffMade("painter", "clerk", "why", "what"),
        ImageMade("clerk", second),
    ]
