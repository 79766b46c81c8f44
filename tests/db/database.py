"""The database's functions as a test calls them: as service_role, each call one transaction, or step by step."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

T = TypeVar("T")
Answer = dict[str, Any]

ROOT = Path(__file__).parents[2]
MIGRATIONS = sorted((ROOT / "supabase/migrations").glob("*.sql"))
SEED = ROOT / "supabase/seed.sql"
IMAGE: dict[str, Any] = {"image": "00000000-0000-8000-a000-000000000001", "media_type": "image/png", "data": "aGk="}
# The clock of the queue, with a hand on it: tests let time pass by moving it.
CLOCK = """
create table chat_internal.test_clock (shift interval not null);
insert into chat_internal.test_clock values ('0');
grant select on chat_internal.test_clock to service_role;
create or replace function chat_internal.now() returns timestamptz language sql volatile set search_path = '' as $$
  select pg_catalog.clock_timestamp() + (select shift from chat_internal.test_clock)
$$;
"""


def new_id() -> str:
    return str(uuid.uuid4())


class Session:
    """One connection as service_role."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self.connection = connection

    def call(self, function: str, **arguments: Any) -> Answer:
        named = sql.SQL(", ").join(
            sql.SQL("{} => {}").format(sql.Identifier(f"p_{name}"), sql.Placeholder(name)) for name in arguments
        )
        query = sql.SQL("select public.{}({}) as answer").format(sql.Identifier(function), named)
        row = self.connection.execute(query, arguments).fetchone()
        assert row is not None
        answer: Answer = row["answer"]
        return answer


class Database:
    """`call`, `rows` and `run` go over two connections of its own; `session` and `together` open new ones."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        self._open = ExitStack()
        self._service = self._open.enter_context(self.session())
        self._superuser = self._open.enter_context(psycopg.connect(dsn, autocommit=True, row_factory=dict_row))

    def close(self) -> None:
        self._open.close()

    @contextmanager
    def session(self, *, role: str = "service_role", autocommit: bool = True) -> Iterator[Session]:
        with psycopg.connect(self.dsn, autocommit=True, row_factory=dict_row) as connection:
            connection.execute(sql.SQL("set role {}").format(sql.Identifier(role)))
            connection.autocommit = autocommit
            yield Session(connection)

    def call(self, function: str, **arguments: Any) -> Answer:
        return self._service.call(function, **arguments)

    def rows(self, query: str, *arguments: Any) -> list[dict[str, Any]]:
        """As the superuser, past every right."""
        return self._superuser.execute(query.encode(), arguments).fetchall()

    def run(self, query: str, *arguments: Any) -> None:
        self._superuser.execute(query.encode(), arguments or None)

    def let_pass(self, seconds: float) -> None:
        self.run("update chat_internal.test_clock set shift = shift + make_interval(secs => %s)", seconds)

    def together(self, count: int, work: Callable[[Session, int], T]) -> list[T]:
        """`work` in that many sessions at once: all are connected before the first one starts."""
        barrier = threading.Barrier(count)

        def one(number: int) -> T:
            with self.session() as session:
                barrier.wait(20)
                return work(session, number)

        with ThreadPoolExecutor(count) as pool:
            return list(pool.map(one, range(count)))

    @contextmanager
    def while_open(
        self, first: Callable[[Session], Any], second: Callable[[Session], T]
    ) -> Iterator[tuple[Any, Future[T]]]:
        """`first` done but not committed, `second` waiting for it; leaving the context commits and lets it go on."""
        with self.session(autocommit=False) as one, self.session() as other, ThreadPoolExecutor(1) as pool:
            answer = first(one)
            waiting = pool.submit(second, other)
            self._wait_blocked(other.connection.info.backend_pid, waiting)
            yield answer, waiting
            one.connection.commit()
            waiting.result(20)

    def _wait_blocked(self, pid: int, waiting: Future[Any]) -> None:
        query = "select wait_event_type = 'Lock' as blocked from pg_stat_activity where pid = %s"
        give_up_at = time.monotonic() + 20
        while time.monotonic() < give_up_at and not waiting.done():
            if self.rows(query, pid)[0]["blocked"]:
                return
        raise AssertionError("the second session did not wait for the first")


@dataclass
class Chat:
    """A user with one conversation, and the calls with everything filled in that a test does not care about."""

    db: Database
    user: str = field(default_factory=new_id)
    conversation: str = field(default_factory=new_id)

    def submit(self, session: Session | None = None, **changes: Any) -> Answer:
        arguments = {
            "user": self.user,
            "turn": new_id(),
            "conversation": self.conversation,
            "new_conversation": new_id(),
            "scope_kind": None,
            "scope_key": None,
            "text": "hello",
            "agent": None,
            "strategy": "enqueue",
            "metadata": "{}",
            "key": None,
            "hash": "0" * 64,
            "ttl_ms": 900_000,
            "open_per_conversation": 100,
            "open_per_user": 100,
            "per_minute": 1000,
            "owner": "owner",
            "lease_ms": 15_000,
        }
        return (session or self.db).call("chat_submit_turn", **(arguments | changes))

    def claim(self, session: Session | None = None, **changes: Any) -> Answer:
        arguments = {"owner": "owner", "lease_ms": 15_000, "op": new_id()}
        return (session or self.db).call(
            "chat_claim_turn", user=self.user, conversation=self.conversation, **(arguments | changes)
        )

    def advance(
        self, epoch: int, turn: str, to: str | None, patch: str = "{}", session: Session | None = None, **changes: Any
    ) -> Answer:
        arguments = {"op": new_id(), "lease_ms": 15_000, "epoch": epoch, "turn": turn, "to": to, "patch": patch}
        return (session or self.db).call(
            "chat_advance_turn", user=self.user, conversation=self.conversation, **(arguments | changes)
        )

    def fenced(self, function: str, session: Session | None = None, **arguments: Any) -> Answer:
        return (session or self.db).call(function, user=self.user, conversation=self.conversation, **arguments)

    def get(self, turn: str) -> Answer:
        return self.db.call("chat_get_turn", user=self.user, turn=turn)

    def complete(self, epoch: int, turn: str, reply: str = "answer") -> Answer:
        return self.advance(epoch, turn, "completed", f'{{"reply": "{reply}"}}', lease_ms=0)

    def lines(self) -> Sequence[tuple[int, str, str]]:
        rows = self.db.rows(
            "select seq, role, text from public.chat_messages where user_id = %s and conversation_id = %s order by seq",
            self.user,
            self.conversation,
        )
        return [(row["seq"], row["role"], row["text"]) for row in rows]
