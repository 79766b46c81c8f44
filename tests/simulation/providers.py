"""The service's side of the fake provider: `ports.Provider`, one an instance, over a network that loses things."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import TypeVar

from shared.core.errors import NotFoundAtProvider, NotSent, OutcomeUnknown, ProviderError, ProviderRefused, RateLimited
from shared.core.model import Message
from shared.core.run_start import RunStart
from shared.core.runs import RunState, Thread, ToolOutput, Usage
from shared.ports import RemoteObject, TextHeard
from shared.providers.responses.item_traces import found_run
from tests.simulation.drawings import drawing_of
from tests.simulation.instance import SETTINGS, Instance
from tests.simulation.modes import Network
from tests.simulation.servers import Create, Item, Run, Server, part_of
from tests.simulation.streams import Stream
from tests.simulation.team import SLUGS

T = TypeVar("T")

TIMEOUT_SECONDS = SETTINGS.provider_timeout_seconds
SETTLE_SECONDS = 5.0  # the longest that a request given up by its timeout may still be under way
FOREGROUND_SECONDS = 300.0


class FakeProvider:
    def __init__(self, instance: Instance, server: Server) -> None:
        self._instance, self._server, self._world = instance, server, instance.world
        self._streamed: set[str] = set()  # runs whose create's own stream is open here

    @property
    def name(self) -> str:
        return self._server.wire

    @property
    def keeps_threads(self) -> bool:
        return True

    @property
    def outputs_start_run(self) -> bool:
        return not self._server.keeps_runs

    @property
    def attachable(self) -> bool:
        return self._world.hears and not (self._server.keeps_runs or self._server.foreground)

    @property
    def create_seconds(self) -> float:
        return FOREGROUND_SECONDS if self._server.foreground and not self._server.locks else TIMEOUT_SECONDS

    async def create_thread(self, history: Sequence[Message]) -> Thread:
        place = await self._request("create_thread", lambda: self._server.create_place(tuple(history)), writes=True)
        return Thread(self.name, place.place_id, _end(place.items))

    async def start_run(self, start: RunStart, *, stream: bool = False) -> RunState:
        server, world = self._server, self._world
        create = Create(start.turn_id, start.run_key, start.thread.thread_id or "", world.now, self._instance)
        create.agent, create.asked = start.agent.slug, start.run_key.count(".") > 1
        create.fallback = start.agent.fallback
        create.brought = tuple(given.call_id for given in start.tool_outputs)
        if not create.asked:
            create.repeats = sum(other.run_key == start.run_key for other in server.creates)
            create.stale = world.database.run_key(start.turn_id) != start.run_key
        server.creates.append(create)
        foreground = server.foreground
        try:
            run = await self._request(
                "start_run", lambda: server.start(start, create), writes=True, create=create,
                seconds=FOREGROUND_SECONDS if foreground else TIMEOUT_SECONDS,
            )  # fmt: skip
            if foreground and not (stream and world.hears):
                await run.over.wait()
        except OutcomeUnknown:
            create.fate = "lost"
            raise
        except ProviderError:
            create.fate = "refused"
            raise
        if stream and world.hears:
            self._streamed.add(run.run_id)
        elif foreground:
            await self._instance.step("start_run, over")
        create.fate = "heard"
        return self._state(run)

    async def find_run(self, start: RunStart) -> RunState | None:
        return await self._request("find_run", lambda: self._find(start))

    async def find_active_run(self, thread: Thread) -> RunState | None:
        return await self._request("find_holder", lambda: self._holder(thread))

    async def get_run(self, thread: Thread, run_id: str, turn_id: str, *, with_text: bool = True) -> RunState:
        """A bare server answers for a run only where its create's own stream was read."""
        if self._server.kind == "bare" and run_id not in self._streamed:
            raise NotFoundAtProvider("No such run.", status=404)
        return await self._request("get_run", lambda: self._state(self._server.run(run_id)))

    async def cancel_run(self, thread: Thread, run_id: str) -> RunState:
        name = self._instance.name
        return self._state(await self._request("cancel_run", lambda: self._server.cancel(run_id, name), writes=True))

    async def erase_turn(self, start: RunStart) -> Thread | None:
        return await self._request("erase_turn", lambda: self._server.erase(start), writes=True)

    async def listen(self, thread: Thread, run_id: str, turn_id: str) -> AsyncGenerator[TextHeard | RunState, None]:
        """What the run says, and its end: as it is, or as streams lie."""
        world, run = self._world, self._server.runs.get(run_id)
        if run is None or not (run_id in self._streamed or self.attachable):
            return
        await asyncio.sleep(world.streams.uniform(0.01, 0.1))
        stream = Stream(world, run, self._state)
        world.counts[f"streams {stream.lie}"] += 1
        async with aclosing(stream.events()) as events:
            async for event in events:
                await self._instance.step("listen, heard")
                yield event

    async def delete_thread(self, thread: Thread) -> bool:
        try:
            await self._request("delete_thread", lambda: self._server.delete(thread.thread_id or ""), writes=True)
        except ProviderError:
            return False
        return True

    async def delete_object(self, remote: RemoteObject) -> bool:
        if remote.kind != "response" or self._server.keeps_runs:
            return True
        try:
            await self._request(
                "delete_response", lambda: self._server.delete_response(remote.object_id or ""), writes=True
            )
        except ProviderError as error:
            return isinstance(error, NotFoundAtProvider)
        return True

    async def submit_tool_outputs(
        self,
        thread: Thread,
        run_id: str,
        turn_id: str,
        outputs: Sequence[ToolOutput],
        *,
        stream: bool = False,
        said: str = "",
    ) -> RunState:
        if self.outputs_start_run:
            raise ProviderRefused("Here tool outputs start a new run.")
        given = tuple(outputs)
        return self._state(await self._request("submit", lambda: self._server.submit(run_id, given), writes=True))

    async def ping(self) -> bool:
        return True

    # --- what the server answers --------------------------------------------------------------------------------------

    def _find(self, start: RunStart) -> RunState | None:
        server = self._server
        if not server.keeps_runs:
            return self._find_items(start)
        own = [
            run for run in reversed(server.of(start.thread.thread_id or ""))
            if run.create is not None and run.create.turn_id == start.turn_id
            and run.run_id not in start.known_run_ids and run.visible_at <= self._world.now
        ]  # fmt: skip
        lost = ("failed", "cancelled", "expired", "cancelling", "incomplete")
        found = next((run for run in own if run.status not in lost), own[0] if own else None)
        return None if found is None else self._state(found)

    def _find_items(self, start: RunStart) -> RunState | None:
        if start.thread.thread_id is None:
            return None
        items = self._server.place(start.thread.thread_id).items
        known = [item.item_id for item in items]
        after = known.index(start.thread.cursor) + 1 if start.thread.cursor in known else 0
        return found_run([item.wire for item in reversed(items[after:])], start)

    def _holder(self, thread: Thread) -> RunState | None:
        if not self._server.keeps_runs:
            return None
        runs = [run for run in self._server.of(thread.thread_id or "") if run.visible_at <= self._world.now]
        found = next((run for run in reversed(runs) if run.active), None)
        return None if found is None else self._state(found)

    def _state(self, run: Run) -> RunState:
        asks = bool(run.calls) and run.status in ("requires_action", "completed")
        completed = run.status == "completed"
        text = "\n\n".join(run.said)
        if run.status == "in_progress" and run.agent not in SLUGS:
            text = part_of(run.text)
        return RunState(
            run.run_id,
            "requires_action" if asks else run.status,
            text=text,
            tool_calls=run.calls if asks else (),
            server_outputs=run.server_outputs if asks or completed else (),
            usage=Usage(1, 1) if completed else Usage(),
            images=(drawing_of(run.run_id),) if completed and self._world.profile.draws else (),
            error_code=run.fault if run.status == "failed" else None,
            cursor=run.cursor if completed and not self._server.keeps_runs else None,
            thread_id=run.place_id,
            turn_id=run.create.turn_id if run.create is not None and self._server.keeps_runs else None,
        )

    # --- the network ----------------------------------------------------------------------------------------------

    async def _request(
        self, name: str, effect: Callable[[], T], *, writes: bool = False, create: Create | None = None,
        seconds: float = TIMEOUT_SECONDS,
    ) -> T:  # fmt: skip
        """One exchange. What was sent goes on without its sender: it may take effect when that has left."""
        exchange = await self._instance.send(f"{name}, sent", self._exchange(name, effect, writes, create))
        try:
            async with asyncio.timeout(seconds):
                result = await asyncio.shield(exchange)
        except TimeoutError:
            result = OutcomeUnknown("No answer in time.")
        await self._instance.step(f"{name}, answered")
        if isinstance(result, ProviderError):
            raise result
        return result

    async def _exchange(
        self, name: str, effect: Callable[[], T], writes: bool, create: Create | None
    ) -> T | ProviderError:
        world, rng = self._world, self._world.rng
        await asyncio.sleep(rng.uniform(0.02, 0.2))
        fault = _fault(rng.random() * (1 if writes else 2), world.profile.network)
        if create is not None and world.profile.lose_create is not None:
            number, how = world.profile.lose_create
            fault = how if self._server.creates.index(create) == number - 1 else fault
        if fault:
            world.counts[f"{name} {fault}"] += 1
            world.note(f"{name} {create.run_key if create else ''} {fault}")
        if fault == "refused":
            return NotSent("Connection refused.")
        if fault == "limited":
            return RateLimited("Slow down.", status=429, retry_after=rng.choice((None, 0.5, 3, 20)))
        if fault == "before":
            return OutcomeUnknown("Internal error.", status=500)
        if fault in ("late", "very_late"):
            bound = TIMEOUT_SECONDS + SETTLE_SECONDS
            await asyncio.sleep(
                rng.uniform(TIMEOUT_SECONDS, bound - 0.5) if fault == "late" else bound + rng.uniform(5, 40)
            )
            if create is not None:
                create.very_late = fault == "very_late"
        if fault == "slow":
            await asyncio.sleep(rng.uniform(0.3, 0.8) * TIMEOUT_SECONDS)
        try:
            result = effect()
        except ProviderError as error:
            return error
        if fault == "after":
            return OutcomeUnknown("Bad gateway.", status=502)
        if fault in ("lost", "late", "very_late"):
            await asyncio.shield(world.never)
        await asyncio.sleep(rng.uniform(0.01, 0.1))
        return result


def _fault(dice: float, network: Network) -> str | None:
    for name in ("refused", "limited", "before", "after", "lost", "late", "slow", "very_late"):
        dice -= getattr(network, name)
        if dice < 0:
            return name
    return None


def _end(items: list[Item]) -> str | None:
    return items[-1].item_id if items else None
