"""What a turn and a waiting minute cost as the tables grow, from ten turns to a million."""

from __future__ import annotations

import asyncio
import uuid

import psycopg

from bench.figures import Figures
from bench.latency import calls
from bench.stack import SETTINGS, Running, running

SIZES = (10, 10_000, 1_000_000)
ROUNDS = 20
WAITING, WAIT_SECONDS = 20, 6.0
PER_CONVERSATION = 20
FILL = """
with made as (
  insert into public.chat_conversations
    (user_id, id, title, active_agent, next_seq, next_message_seq, last_message_at, created_at, updated_at)
  select gen_random_uuid(), gen_random_uuid(), 'hello', 'project-manager', %(each)s + 1, 2 * %(each)s + 1,
         now(), now(), now()
  from generate_series(1, %(conversations)s)
  returning user_id, id
), turns as (
  insert into public.chat_turns
    (id, user_id, conversation_id, seq, place, status, text, agent, agent_named, strategy, request_hash, reply,
     attempt, run_key, deadline_at, created_at, updated_at, finished_at)
  select gen_random_uuid(), made.user_id, made.id, n, n, 'completed', 'hello', 'project-manager', false, 'enqueue',
         repeat('0', 64), 'hello yourself', 1, 'key', now(), now(), now(), now()
  from made, generate_series(1, %(each)s) n
  returning id, user_id, conversation_id, seq
), noted as (
  insert into public.chat_turn_events (day, at, turn_id, conversation_id, name, agent, nth)
  select chat_internal.ring_day(now()), now(), id, conversation_id, 'turn.accepted', 'project-manager', 0 from turns
)
insert into public.chat_messages
  (user_id, conversation_id, seq, turn_id, turn_seq, role, agent, part, text, partial, created_at)
select user_id, conversation_id, 2 * seq - (role = 'user')::int, id, seq, role,
       case role when 'assistant' then 'project-manager' end, 0, 'hello', false, now()
from turns, unnest(array['user', 'assistant']) role
"""


async def measure() -> Figures:
    figures = Figures()
    async with running(SETTINGS) as one:
        there = 0
        for size in SIZES:
            await asyncio.to_thread(fill, one.dsn, size - there)
            there = size
            await _turn(one, size, figures)
            await _wait(one, size, figures)
    return figures


def fill(dsn: str, turns: int) -> None:
    """So many turns that are over, in conversations of twenty."""
    conversations = max(turns // PER_CONVERSATION, 1)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("set session_replication_role = replica")  # the triggers' work is in the statement
        connection.execute(FILL, {"conversations": conversations, "each": turns // conversations})
        connection.execute("analyze")


async def _turn(one: Running, size: int, figures: Figures) -> None:
    token, conversation = one.token(), str(uuid.uuid4())
    for _ in range(3):
        await one.send(token, message="hello", conversation_id=conversation)
    before = one.cpu_seconds("postgres")
    for _ in range(ROUNDS):
        answer = await one.ask(token, message="hello", conversation_id=conversation)
        figures.sample(f"turn_with_{size}_ms", answer.seconds)
    figures[f"postgres_cpu_ms_per_turn_with_{size}"] = round(1000 * (one.cpu_seconds("postgres") - before) / ROUNDS, 2)


async def _wait(one: Running, size: int, figures: Figures) -> None:
    """Messages behind runs that take long, each in a conversation of its own."""

    async def wait() -> None:
        token, conversation = one.token(), str(uuid.uuid4())
        first = one.ask(token, message="[[slow 60]] a", conversation_id=conversation, wait_seconds=WAIT_SECONDS + 1)
        second = one.ask(token, message="b", conversation_id=conversation, wait_seconds=WAIT_SECONDS)
        await asyncio.gather(first, second)

    before, cpu = await calls(one), one.cpu_seconds("postgres") + one.cpu_seconds("function")
    await asyncio.gather(*(wait() for _ in range(WAITING)))
    minutes = WAITING * WAIT_SECONDS / 60
    figures[f"database_calls_per_waiting_minute_with_{size}"] = round((await calls(one) - before) / minutes)
    spent = one.cpu_seconds("postgres") + one.cpu_seconds("function") - cpu
    figures[f"cpu_ms_per_waiting_minute_with_{size}"] = round(1000 * spent / minutes)


if __name__ == "__main__":
    asyncio.run(measure()).show()
