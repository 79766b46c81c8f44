-- The ledger of tool calls: written before a tool runs and after it, so that a call is never run twice by accident.

create table public.chat_tool_calls (
  turn_id  uuid        not null references public.chat_turns (id) on delete cascade,
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

create index chat_tool_calls_by_user on public.chat_tool_calls (user_id);
