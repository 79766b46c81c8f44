-- The ledger of tool calls: written before a tool runs and after it, so that a call is never run twice by accident.

create table public.tool_calls (
  turn_id  uuid        not null references public.turns (id) on delete cascade,
  call_id  text        not null,
  user_id  uuid        not null,
  name     text        not null,
  op       text        not null,
  status   text        not null check (status in ('begun', 'done')),
  output   text        check ((status = 'done') = (output is not null)),
  begun_at timestamptz not null,
  done_at  timestamptz,
  primary key (turn_id, call_id)
);

create index tool_calls_by_user on public.tool_calls (user_id);

-- Threads made for agents that were asked as tools, one for each call that is under way. `run_id` lets the next holder of
-- the turn go on with a run instead of starting another.
create table public.scratch_threads (
  id         uuid        primary key default gen_random_uuid(),
  turn_id    uuid        references public.turns (id) on delete set null,
  call_id    text        not null,
  provider   text        not null,
  thread_id  text        not null,
  run_id     text,
  created_at timestamptz not null
);

create index scratch_threads_by_turn on public.scratch_threads (turn_id, call_id);
create index scratch_threads_by_age on public.scratch_threads (created_at);
