-- Calls that wait for a person: a function that needs the user's word, a question to the user, a function that the
-- user's browser carries out. What comes of them stands in the ledger of tool calls.

create table public.chat_person_calls (
  turn_id     uuid        not null references public.chat_turns (id) on delete cascade,
  call_id     text        not null,  -- as the ledger of tool calls knows it
  user_id     uuid        not null,
  number      int         not null,  -- among the calls of its run
  kind        text        not null check (kind in ('approval', 'question', 'client')),
  name        text        not null,
  arguments   text        not null,
  status      text        not null default 'waiting' check (status in ('waiting', 'approved', 'denied', 'answered')),
  op          text,                  -- the request that answered it
  asked_at    timestamptz not null,
  expires_at  timestamptz not null,
  answered_at timestamptz,
  primary key (turn_id, call_id),
  check ((status = 'waiting') = (answered_at is null))
);

create index chat_person_calls_by_user on public.chat_person_calls (user_id);
