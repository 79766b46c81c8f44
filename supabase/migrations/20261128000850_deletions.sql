-- What is left of a conversation that is gone. Its rows go in one transaction; what its provider still has of it is
-- ended and deleted afterwards, by these records and those of its threads, which know no user and hold no words.

-- A conversation that its user deleted: for good, so that its id is not used again.
create table public.chat_deleted_conversations (
  user_id uuid not null,
  id      uuid not null,
  primary key (user_id, id)
);

-- The keys of its messages, hashed with their user's id, for a day: a message that is repeated then is told what has become
-- of it.
create table public.chat_deleted_keys (
  key_hash   text        primary key,
  user_id    uuid        not null,
  deleted_at timestamptz not null
);

create index chat_deleted_keys_by_age on public.chat_deleted_keys (deleted_at);

-- Runs that were under way when their turn ended without them, or its row went. Their threads are deleted when they
-- have ended.
create table public.chat_left_runs (
  id         uuid        primary key default gen_random_uuid(),
  provider   text,                          -- null: what the service's settings say
  thread_id  text,
  run_id     text        not null,
  turn_id    uuid        not null,          -- that it was started for
  left_at    timestamptz not null,
  failures   int         not null default 0,  -- attempts after which it had not ended
  not_before timestamptz,
  unique nulls not distinct (provider, run_id)
);

create index chat_left_runs_by_thread on public.chat_left_runs (thread_id) where thread_id is not null;

-- The runs of a conversation's open turns, or of those that are named; those of asked agents included. They are put on
-- record as left.
create function chat_internal.leave_runs(c public.chat_conversations, p_turns uuid[]) returns jsonb
language sql volatile set search_path = '' as $$
  with under_way as (
    select c.thread_provider as provider, c.thread_id, t.run_id, t.id as turn_id from public.chat_turns t
    where t.user_id = c.user_id and t.conversation_id = c.id and t.finished_at is null and t.run_id is not null
      and (p_turns is null or t.id = any (p_turns))
    union
    select s.provider, s.thread_id, s.run_id, t.id from public.chat_turns t
    join public.chat_scratch_threads s on s.turn_id = t.id
    where t.user_id = c.user_id and t.conversation_id = c.id and t.finished_at is null and s.run_id is not null
      and (p_turns is null or t.id = any (p_turns))),
  kept as (
    insert into public.chat_left_runs (provider, thread_id, run_id, turn_id, left_at)
    select u.provider, u.thread_id, u.run_id, u.turn_id, chat_internal.now() from under_way u
    on conflict do nothing
    returning *)
  select coalesce(jsonb_agg(jsonb_build_object(
    'id', k.id, 'provider', k.provider, 'thread_id', k.thread_id, 'run_id', k.run_id, 'turn_id', k.turn_id)), '[]') from kept k
$$;

-- Whichever statement takes a conversation away: its runs do not go on unseen.
create function chat_internal.keep_left_runs() returns trigger
language plpgsql volatile set search_path = '' as $$
begin
  perform chat_internal.leave_runs(old, null);
  return old;
end $$;

create trigger keep_left_runs before delete on public.chat_conversations
  for each row execute function chat_internal.keep_left_runs();

-- A user who is gone takes everything along. As its owner, because the service that deletes users has no rights here.
create function chat_internal.delete_with_user() returns trigger
language plpgsql volatile security definer set search_path = '' as $$
begin
  delete from public.chat_conversations where user_id = old.id;
  delete from public.chat_agents where owner_id = old.id;
  delete from public.chat_deleted_conversations where user_id = old.id;
  delete from public.chat_deleted_keys where user_id = old.id;
  return null;
end $$;

create trigger chat_delete_with_user after delete on auth.users
  for each row execute function chat_internal.delete_with_user();
