"""Who may start a sweep, what everyone else is told, and that a call ends in time in every case."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import httpx
import pytest

from functions.maintenance.app import MAX_CALLS, build_app
from functions.maintenance.sweep import SIDE_BY_SIDE
from shared.core.errors import StoreUnavailable
from shared.core.model import User
from shared.core.runs import Thread
from shared.core.turns import Turn, TurnStatus
from shared.ports import Expiry, LeftRun, OpenTurns, Orphan, RemoteObject
from shared.settings import load_settings
from tests.http import virtual
from tests.http.fakes import make_turn
from tests.http.shapes import assert_answer, assert_error

SECRET = "what-the-scheduler-shows"
TIDIED = {"archived": 0, "deleted": 0, "runs_ended": 0, "threads_deleted": 0, "objects_deleted": 0}
RIGHT = {"authorization": f"Bearer {SECRET}"}
ENVIRONMENT = {
    "OPENAI_API_KEY": "sk-canary",
    "SUPABASE_URL": "https://project.supabase.invalid",
    "SUPABASE_SECRET_KEY": "sb_secret_canary",
}


class Fake:
    """Store and service: each conversation takes as long as it says, `None` for ever; all deadlines are kept."""

    def __init__(self, *seconds: float | None, obedient: bool = True) -> None:
        self.orphans = [Orphan("a user", f"conversation {n}", f"{n}") for n in range(len(seconds))]
        self.seconds, self.obedient = seconds, obedient
        self.error: Exception | None = None
        self.listed = self.now = self.most = self.tidied = 0
        self.granted: list[float] = []

    async def list_orphans(self, limit: int) -> Sequence[Orphan]:
        self.listed += 1
        if self.error:
            raise self.error
        return self.orphans[:limit]

    async def tidy_events(self) -> OpenTurns:
        self.tidied += 1
        return OpenTurns(0, 0)

    async def list_ended_threads(self, limit: int) -> Sequence[Thread]:
        return []

    async def drop_thread(self, thread: Thread) -> None:
        raise AssertionError("nothing to drop")

    async def defer_thread(self, thread: Thread) -> None:
        raise AssertionError("nothing to put off")

    async def delete_thread(self, thread: Thread) -> bool:
        raise AssertionError("nothing to delete")

    async def list_ended_objects(self, limit: int) -> Sequence[RemoteObject]:
        return []

    async def drop_object(self, remote: RemoteObject) -> None:
        raise AssertionError("no object to drop")

    async def defer_object(self, remote: RemoteObject) -> None:
        raise AssertionError("no object to put off")

    async def delete_object(self, remote: RemoteObject) -> bool:
        raise AssertionError("no object to delete")

    async def list_left_runs(self, limit: int) -> Sequence[LeftRun]:
        return []

    async def drop_left_run(self, run: LeftRun) -> None:
        raise AssertionError("no run to drop")

    async def defer_left_run(self, run: LeftRun) -> None:
        raise AssertionError("no run to put off")

    async def expire_conversations(self, limit: int) -> Expiry:
        return Expiry(0, 0)

    async def end_left_run(self, run: LeftRun, deadline: float) -> bool:
        raise AssertionError("no run to end")

    async def wait_turn(self, user: User, turn_id: str, deadline: float) -> Turn:
        loop = asyncio.get_running_loop()
        left = deadline - loop.time()
        self.granted.append(left)
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            needed = self.seconds[int(turn_id)]
            ends = needed is not None and needed <= left
            if not self.obedient:
                await loop.create_future()
            await asyncio.sleep(needed if ends and needed is not None else left)
        finally:
            self.now -= 1
        return make_turn(user.id, status=TurnStatus.COMPLETED if ends else TurnStatus.RUNNING)


def client(fake: Fake, secret: str | None = SECRET, **changes: str) -> httpx.AsyncClient:
    settings = load_settings(ENVIRONMENT | ({"MAINTENANCE_SECRET": secret} if secret else {}) | changes)
    app = build_app(settings, service=fake, store=fake)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://maintenance")


@pytest.mark.parametrize(
    ("header", "code"),
    [
        (None, "missing_token"),
        ("", "missing_token"),
        ("Bearer", "invalid_token"),
        ("Bearer ", "invalid_token"),
        ("Bearer wrong", "invalid_token"),
        (f"Bearer {SECRET[:-1]}", "invalid_token"),
        (f"Bearer {SECRET}x", "invalid_token"),
        (f"Bearer {SECRET.upper()}", "invalid_token"),
        (f"Basic {SECRET}", "invalid_token"),
        (SECRET, "invalid_token"),
        ("Bearer \xe4\xf6\xfc", "invalid_token"),
    ],
)
async def test_without_the_secret_nothing_is_swept(header: str | None, code: str) -> None:
    fake = Fake()
    headers = [] if header is None else [(b"authorization", header.encode("latin-1"))]
    async with client(fake) as http:
        body = assert_error(await http.post("/", headers=headers), 401, code)
    assert SECRET not in str(body)
    assert fake.listed == 0


async def test_with_the_secret_it_sweeps() -> None:
    fake = Fake(0.0, 0.0)
    async with client(fake) as http:
        report = assert_answer(await http.post("/", headers=RIGHT), 200)
    assert report == {"swept": 2, "finished": 2, "left": 0} | TIDIED | {"elapsed_ms": report["elapsed_ms"]}


@pytest.mark.parametrize(("content", "status"), [(b"", 200), (b"{}", 200), (b'{"limit": 1}', 422), (b"[]", 422)])
async def test_schedulers_send_no_body_or_an_empty_object(content: bytes, status: int) -> None:
    async with client(Fake()) as http:
        answer = await http.post("/", headers=RIGHT | {"content-type": "application/json"}, content=content)
    assert answer.status_code == status


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "TRACE"])
async def test_only_post(method: str) -> None:
    fake = Fake()
    async with client(fake) as http:
        answer = await http.request(method, "/", headers=RIGHT)
        assert_error(answer, 405, "method_not_allowed")
        assert answer.headers["allow"] == "OPTIONS, POST"
        assert_error(await http.request(method, "/turns", headers=RIGHT), 404, "not_found")
    assert fake.listed == 0


@pytest.mark.parametrize("headers", [{}, RIGHT, {"authorization": "Bearer "}, {"authorization": "Bearer None"}])
async def test_where_no_secret_is_set_everything_is_refused(headers: dict[str, str]) -> None:
    fake = Fake()
    async with client(fake, secret=None) as http:
        for method in ("POST", "GET"):
            assert_error(await http.request(method, "/", headers=headers), 503, "maintenance_off")
    assert fake.listed == 0


async def test_a_database_that_is_away_is_said_so() -> None:
    fake = Fake()
    fake.error = StoreUnavailable("canary", retry_after=1.0)
    async with client(fake) as http:
        body = assert_error(await http.post("/", headers=RIGHT), 503, "store_unavailable")
    assert "canary" not in str(body)


def swept(fake: Fake, **changes: str) -> tuple[dict[str, int], float]:
    """The report of one call on virtual time, and how long it took there."""

    async def play() -> tuple[dict[str, int], float]:
        async with client(fake, **changes) as http:
            began = asyncio.get_running_loop().time()
            report = assert_answer(await http.post("/", headers=RIGHT), 200)
            return report, asyncio.get_running_loop().time() - began

    return virtual.run(play)


@pytest.mark.parametrize("obedient", [True, False])
@pytest.mark.parametrize("count", [1, SIDE_BY_SIDE, 10 * SIDE_BY_SIDE])
@pytest.mark.parametrize("seconds", [50, 5])
def test_a_call_ends_in_time_however_many_never_end(count: int, obedient: bool, seconds: int) -> None:
    fake = Fake(*[None] * count, obedient=obedient)
    report, elapsed = swept(fake, SWEEP_SECONDS=str(seconds))
    assert elapsed <= seconds
    assert fake.most == min(count, SIDE_BY_SIDE)
    assert (report["finished"], report["left"]) == (0, count)
    if obedient:
        assert report["swept"] == count


def test_those_that_never_end_leave_time_for_those_behind_them() -> None:
    fake = Fake(*[None] * (2 * SIDE_BY_SIDE), *[3.0] * SIDE_BY_SIDE)
    report, _ = swept(fake)
    assert report["finished"] == SIDE_BY_SIDE


def test_nobody_is_hurried_when_all_can_be_served_at_once() -> None:
    fake = Fake(*[40.0] * SIDE_BY_SIDE)
    report, elapsed = swept(fake)
    assert report["finished"] == SIDE_BY_SIDE
    assert 40 <= elapsed < 41


async def test_an_instance_takes_few_calls_at_once() -> None:
    fake = Fake(0.2)
    async with client(fake) as http:
        answers = await asyncio.gather(*(http.post("/", headers=RIGHT) for _ in range(MAX_CALLS + 1)))
    assert sorted(answer.status_code for answer in answers) == [200] * MAX_CALLS + [503]
