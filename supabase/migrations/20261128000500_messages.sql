-- The transcript, in the order people read it. A user's line appears when its turn starts, an agent's when it hands
-- over and when the turn completes; because turns are served one at a time, `seq` has neither gaps nor interleaved
-- answers.

create table public.chat_messages (
  id              uuid        primary key default gen_random_uuid(),
  user_id         uuid        not null,
  conversation_id uuid        not null,
  seq             int         not null check (seq > 0),
  turn_id         uuid        not null references public.chat_turns (id) on delete cascade,
  turn_seq        int         not null,
  role            text        not null check (role in ('user', 'assistant')),
  agent           text        check ((agent is null) = (role = 'user')),
  part            int         not null default 0,      -- of the turn's answers: one for each agent that had control
  handoff_to      text        check (handoff_to is null or role = 'assistant'),  -- who this agent handed over to
  text            text        not null,
  partial         boolean     not null default false,  -- its turn ended before it had been said
  created_at      timestamptz not null,
  foreign key (user_id, conversation_id) references public.chat_conversations (user_id, id) on delete cascade,
  unique (user_id, conversation_id, seq),
  unique (turn_id, role, part)
);

create index chat_messages_words on public.chat_messages using gin (chat_internal.words_of(user_id, text));
