-- Threads made for agents that are asked as tools, one for each call that is under way. `run_id` lets the next holder
-- of the turn go on with a run instead of starting another.

create table public.chat_scratch_threads (
  id         uuid        primary key default gen_random_uuid(),
  turn_id    uuid        references public.chat_turns (id) on delete set null,
  call_id    text        not null,
  provider   text        not null,
  thread_id  text        not null,
  run_id     text,
  created_at timestamptz not null
);

create index chat_scratch_threads_by_turn on public.chat_scratch_threads (turn_id, call_id);
create index chat_scratch_threads_by_age on public.chat_scratch_threads (created_at);
