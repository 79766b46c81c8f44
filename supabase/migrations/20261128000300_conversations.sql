-- A conversation belongs to a user, and the user is part of its key: no lookup can reach another tenant's row, and an
-- id that another user has is as free as any other.

create table public.chat_conversations (
  user_id          uuid        not null,
  id               uuid        not null,
  scope_kind       text        check (scope_kind in ('user', 'session', 'topic')),
  scope_key        text        check (length(scope_key) between 1 and 255),
  title            text        not null check (length(title) between 1 and 200),
  renamed          boolean     not null default false,  -- false: the title is the first line of the first message
  active_agent     text        not null,
  -- the provider's object behind it: a cache, to be made again from the messages when it is null
  thread_id        text,
  thread_provider  text,
  thread_cursor    text,
  last_run_id      text,
  answered_at      timestamptz,  -- when the newest reply was recorded
  seeded_at        timestamptz,  -- when the thread was made: what was said before stands in it
  seeded_seq       int         not null default 0,      -- the lines before that
  rotate_asked     boolean     not null default false,  -- the thread goes with the turn that is being answered on it
  ttl_ms           bigint      check (ttl_ms >= 0),     -- as its scope asks for; null: what the settings say; 0: for ever
  next_seq         int         not null default 1,
  next_message_seq int         not null default 1,
  lease_epoch      bigint      not null default 0,
  lease_owner      text,
  lease_until      timestamptz,
  claim_op         text,
  -- what lists show, kept by the statements that change it, so that no read counts turns or lines
  preview          text,                              -- the beginning of the newest line
  read_seq         int         not null default 0,    -- how far its user has read
  unread           int         not null default 0,    -- answers behind that
  open_turns       int         not null default 0,
  runs             bigint      not null default 0,    -- these five: of turns that are over
  conflicts        bigint      not null default 0,
  waited_ms        bigint      not null default 0,
  input_tokens     bigint      not null default 0,
  output_tokens    bigint      not null default 0,
  archived_at      timestamptz,
  reopened_at      timestamptz,                       -- from then on it is idle anew
  change_ops       text[]      not null default '{}',  -- its user's newest few changes, newest first: a repeat is known
  last_message_at  timestamptz not null,
  created_at       timestamptz not null,
  updated_at       timestamptz not null,
  primary key (user_id, id),
  check ((scope_kind is null) = (scope_key is null)),
  check ((lease_owner is null) = (lease_until is null))
);

create unique index chat_conversations_one_per_scope on public.chat_conversations (user_id, scope_kind, scope_key)
  where scope_kind is not null and archived_at is null;
-- Two, because a condition that is known to be false is no condition on an expression any more.
create index chat_conversations_newest on public.chat_conversations (user_id, updated_at desc, id desc)
  where archived_at is null;
create index chat_conversations_newest_archived on public.chat_conversations (user_id, updated_at desc, id desc)
  where archived_at is not null;

create index chat_conversations_idle on public.chat_conversations (last_message_at) where archived_at is null;
create index chat_conversations_own_ttl on public.chat_conversations (last_message_at)
  where archived_at is null and ttl_ms is not null;
create index chat_conversations_archived on public.chat_conversations (archived_at) where archived_at is not null;

-- The words of a text, and whose it is, as a word that begins with a blank, as none in a text does: so one index finds
-- what one user has said, and nothing of others. A vector has no room for more than a megabyte, so of a very long text
-- only the beginning is found.
create function chat_internal.words_of(p_user uuid, p_text text) returns tsvector
language plpgsql immutable set search_path = '' as $$
begin
  return array_to_tsvector(array[' ' || p_user::text]) || to_tsvector('pg_catalog.simple', left(p_text, 50000));
end $$;

create index chat_conversations_words on public.chat_conversations using gin (chat_internal.words_of(user_id, title));
