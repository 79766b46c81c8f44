"""The end of a conversation: an answer whose run was lost, what a failed run left, a turn to be erased."""

from __future__ import annotations

import contextlib
from dataclasses import replace

from shared.core.errors import ProviderError
from shared.core.run_start import RunStart
from shared.core.runs import RunState, Thread
from shared.providers.refusals.meaning import lacks_route, nothing_started
from shared.providers.responses.conversations import Conversations, NewestItems
from shared.providers.responses.item_traces import (
    call_ids,
    found_run,
    has_input,
    leftovers,
    missing,
    thread_without,
    traces,
)


class ConversationTail:
    def __init__(self, conversations: Conversations) -> None:
        self._conversations = conversations

    async def found(self, start: RunStart, conversation: str) -> RunState | None:
        end = await self._end(conversation, start.thread.cursor)
        # Without a fixed point an older question in the same words, and its answer, could be taken for this one.
        return found_run(end.items, start) if end.whole else None

    async def stands(self, start: RunStart, conversation: str) -> bool:
        """Whether the input of a run that has ended stands in the conversation. A list that lags says no."""
        try:
            end = await self._end(conversation, start.thread.cursor)
        except ProviderError:
            return False
        return has_input(end.items, start)

    async def tidied(self, start: RunStart, conversation: str) -> RunStart:
        """What a failed or cancelled response leaves is undocumented: our own message may still stand there, and those
        of interrupted turns may not."""
        try:
            end = await self._end(conversation, start.thread.cursor)
        except ProviderError as error:
            raise nothing_started(error) from error
        if not end.whole:
            return start
        with contextlib.suppress(ProviderError):  # one that stays is a repeated line and no more
            await self._conversations.drop(conversation, leftovers(end.items, start))
        return replace(start, displaced=missing(end.items, start.displaced))

    async def erase(self, start: RunStart, conversation: str) -> Thread | None:
        """A turn of several runs may begin before the last item known: its function calls tell where it stands.

        Without its text only what stands behind the last item known.
        """
        end = await self._end(conversation, start.thread.cursor)
        found, left = traces(end.items, start), start.thread
        if start.text is not None and call_ids(start) and start.thread.cursor is not None:
            whole = await self._end(conversation, None)
            found += [one for one in traces(whole.items, start, by_calls=True) if one not in found]
            left = thread_without(found, whole.items, start.thread)
        if end.whole or found:
            await self._conversations.drop(conversation, found)
        # Of several runs something must have been left; where that is not found, the thread is to be given up.
        return left if end.whole and (found or len(start.known_run_ids) < 2) else None

    async def _end(self, conversation: str, cursor: str | None) -> NewestItems:
        try:
            return await self._conversations.end(conversation, cursor)
        except ProviderError as error:
            if lacks_route(error):
                return NewestItems((), whole=False)
            raise
