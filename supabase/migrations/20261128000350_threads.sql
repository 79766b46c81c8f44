-- Every thread that a provider keeps for us, until it has been deleted there: they cost money and hold people's words.
-- One that its conversation has given up, and one whose conversation is gone, waits here for its deletion.

create table public.chat_threads (
  provider        text        not null,
  thread_id       text        not null,
  user_id         uuid,                      -- these two are null once the conversation is gone
  conversation_id uuid,
  generation      int         not null,      -- of the conversation's threads, from 1
  made_at         timestamptz not null,
  ended_at        timestamptz,               -- null: in use
  ended_because   text        check (
    ended_because in ('given_up', 'rotated', 'archived', 'deleted', 'late', 'asked')),
  failures        int         not null default 0,  -- deletions that the provider refused or did not answer
  not_before      timestamptz,
  primary key (provider, thread_id),
  check ((ended_at is null) = (ended_because is null))
);

create index chat_threads_by_conversation on public.chat_threads (user_id, conversation_id);
create index chat_threads_ended on public.chat_threads (ended_at) where ended_at is not null;

create function chat_internal.end_thread(p_provider text, p_thread text, p_because text) returns void
language sql volatile set search_path = '' as $$
  update public.chat_threads set ended_at = chat_internal.now(), ended_because = p_because
  where provider = p_provider and thread_id = p_thread and ended_at is null
$$;

-- One that a holder made after its lease had gone to another: no conversation has it, and none will.
create function chat_internal.leave_thread(p_thread jsonb) returns void
language sql volatile set search_path = '' as $$
  insert into public.chat_threads (provider, thread_id, generation, made_at, ended_at, ended_because)
  select p_thread ->> 'provider', p_thread ->> 'thread_id', 1, v, v, 'late' from chat_internal.now() v
  where p_thread ->> 'thread_id' is not null
  on conflict do nothing
$$;

-- Whichever statement gives a conversation a thread or takes one from it, the record follows, and outlives the row.
create function chat_internal.keep_thread_record() returns trigger
language plpgsql volatile set search_path = '' as $$
begin
  if tg_op <> 'INSERT' and old.thread_id is not null then
    perform chat_internal.end_thread(old.thread_provider, old.thread_id, case
      when tg_op = 'DELETE' then 'deleted' when new.archived_at is not null then 'archived'
      when old.rotate_asked and not new.rotate_asked then 'rotated' else 'given_up' end);
  end if;
  if tg_op = 'DELETE' then
    update public.chat_threads set user_id = null, conversation_id = null
    where user_id = old.user_id and conversation_id = old.id;
  elsif new.thread_id is not null then
    insert into public.chat_threads (provider, thread_id, user_id, conversation_id, generation, made_at)
    select new.thread_provider, new.thread_id, new.user_id, new.id, 1 + count(*), chat_internal.now()
    from public.chat_threads t where t.user_id = new.user_id and t.conversation_id = new.id
    on conflict (provider, thread_id) do update set ended_at = null, ended_because = null;
  end if;
  return null;
end $$;

create trigger keep_changed_thread_record after update of thread_id, thread_provider on public.chat_conversations
  for each row when ((old.thread_provider, old.thread_id) is distinct from (new.thread_provider, new.thread_id))
  execute function chat_internal.keep_thread_record();
create trigger keep_deleted_thread_record after delete on public.chat_conversations
  for each row execute function chat_internal.keep_thread_record();
