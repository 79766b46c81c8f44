-- A conversation belongs to a user, and the user is part of its key: no lookup can reach another tenant's row, and an
-- id that another user has is as free as any other.

create table public.chat_conversations (
  user_id          uuid        not null,
  id               uuid        not null,
  scope_kind       text        check (scope_kind in ('user', 'session', 'topic')),
  scope_key        text        check (length(scope_key) between 1 and 255),
  active_agent     text        not null,
  -- the provider's object behind it: a cache, to be made again from the messages when it is null
  thread_id        text,
  thread_provider  text,
  thread_cursor    text,
  last_run_id      text,
  answered_at      timestamptz,  -- when the newest reply was recorded
  seeded_at        timestamptz,  -- when the thread was made: what was said before stands in it
  next_seq         int         not null default 1,
  next_message_seq int         not null default 1,
  lease_epoch      bigint      not null default 0,
  lease_owner      text,
  lease_until      timestamptz,
  claim_op         text,
  created_at       timestamptz not null,
  updated_at       timestamptz not null,
  primary key (user_id, id),
  check ((scope_kind is null) = (scope_key is null)),
  check ((lease_owner is null) = (lease_until is null))
);

create unique index chat_conversations_one_per_scope on public.chat_conversations (user_id, scope_kind, scope_key)
  where scope_kind is not null;
create index chat_conversations_newest on public.chat_conversations (user_id, updated_at desc, id desc);
