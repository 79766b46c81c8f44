"""The checker's part about the life of conversations: closed, opened again, rotated, named, deleted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from shared.core.turns import ConversationKey
from tests.simulation.calls import LATE_CALL_SECONDS
from tests.simulation.changes import Change
from tests.simulation.database import Row
from tests.simulation.record import Record, name_of
from tests.simulation.sweep import LEFT

SIDEBAR = """
select id::text || ' of ' || user_id from public.chat_conversations c
where open_turns <> (select count(*) from public.chat_turns t
                     where t.user_id = c.user_id and t.conversation_id = c.id and t.finished_at is null)
   or unread <> chat_internal.unread(user_id, id, read_seq)
   or (archived_at is not null and thread_id is not null)
   or rotate_asked"""


def deleted_is_gone(record: Record) -> Iterator[str]:
    """After a deletion no table has a row of it: not its turns, nor what was written down of them."""
    changes = record.world.changes
    for found in record.world.database.mentions([*changes.deleted_turns]):
        yield f"a deleted turn is left in {found}"
    for turn in record.turns:
        if _key(turn) in changes.deleted:
            yield f"{name_of(turn)} is there, and its conversation was deleted"


def nothing_at_the_provider(record: Record) -> Iterator[str]:
    """Each thread that no conversation goes on with is deleted there in the end, and nothing is left to be done."""
    if not record.world.profile.changes:
        return  # where these are not at work, the schedule is not asked to
    yield from (f"{what} is left on record" for what in record.world.database.texts(LEFT))
    in_use = set(record.world.database.threads().values())
    for place in record.world.server.places.values():
        # one whose maker died before it was on record leaks, and no run was ever started there
        used = any(run.create is not None for run in record.world.server.of(place.place_id))
        if used and not place.deleted and place.place_id not in in_use:
            yield f"{place.place_id} is left at the provider"


def no_response_is_kept(record: Record) -> Iterator[str]:
    """Each response of a deleted conversation is deleted at the provider, and none of another one."""
    server, changes = record.world.server, record.world.changes
    if not server.keeps_runs:
        yield from (f"{run_id} is kept at the provider" for run_id in changes.deleted_runs - server.deleted_responses)
    yield from (f"{run_id} was deleted" for run_id in server.deleted_responses - changes.deleted_runs)


def closed_takes_no_message(record: Record) -> Iterator[str]:
    """No message is accepted between the answer to an archive and the next request that opens it again."""
    for turn in record.turns:
        for closed in record.world.changes.of(_key(turn), "archive"):
            if closed.done_at is None or closed.done_at >= turn["created"]:
                continue
            opened = record.world.changes.of(_key(turn), "reopen")
            if not any(one.sent_at < turn["created"] and _end(one) > closed.sent_at for one in opened):
                yield f"{name_of(turn)} was taken at {turn['created']:.2f}, closed since {closed.done_at:.2f}"


def rotated_threads_rest(record: Record) -> Iterator[str]:
    """A message that comes after the answer to a rotation, or an archive, is told to no thread in use before."""
    for turns in record.conversations.values():
        for turn in turns:
            for change in record.world.changes.of(_key(turn), "rotate"):
                if change.done_at is None or change.done_at > turn["created"]:
                    continue
                before = {
                    create.place_id
                    for other in turns
                    for create in record.creates[other["turn_id"]]
                    if create.sent_at < change.sent_at
                }
                for create in record.creates[turn["turn_id"]]:
                    if create.place_id in before:
                        yield f"{name_of(turn)} was told to {create.place_id}, given up at {change.done_at:.2f}"


def named_as_asked(record: Record) -> Iterator[str]:
    """A title that a person gave stays, and is the last one where no two were asked for at once."""
    for key, title in record.world.database.titles().items():
        asked = [one for one in record.world.changes.of(key, "rename") if one.done_at is not None]
        last = [one for one in asked if all(_end(other) <= one.sent_at for other in asked if other is not one)]
        given = {one.title for one in last or record.world.changes.of(key, "rename")}
        if asked and title not in given:
            yield f"{key.conversation_id} is called {title!r}, asked for was {sorted(map(str, given))}"


def sidebar_adds_up(record: Record) -> Iterator[str]:
    """What is kept with a conversation so that lists need not count is what counting finds."""
    yield from (f"{one} shows other figures than its rows" for one in record.world.database.texts(SIDEBAR))


def _end(change: Change) -> float:
    """The last moment at which one of its requests may take effect."""
    return float("inf") if change.done_at is None else change.done_at + LATE_CALL_SECONDS


def _key(turn: Row) -> ConversationKey:
    return ConversationKey(turn["user_id"], turn["conversation_id"])


LIFE_CHECKS: tuple[Callable[[Record], Iterable[str]], ...] = (
    deleted_is_gone, nothing_at_the_provider, no_response_is_kept, closed_takes_no_message, rotated_threads_rest,
    named_as_asked, sidebar_adds_up,
)  # fmt: skip
