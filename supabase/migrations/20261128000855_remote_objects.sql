-- What providers keep for us beside threads: the assistants that were made for agents, on record from before they are made,
-- and the responses of conversations that are gone. Each stays on record until it has been deleted there.

create table public.chat_remote_objects (
  id         uuid        primary key default gen_random_uuid(),  -- an assistant carries it, so that a lost one is found
  kind       text        not null check (kind in ('assistant', 'response')),
  provider   text,                             -- null: what the service's settings say
  object_id  text,                             -- null: it is being made, or whether it was made is not known
  begun_at   timestamptz not null,
  ended_at   timestamptz,                      -- null: in use
  failures   int         not null default 0,   -- deletions that the provider refused or did not answer
  not_before timestamptz
);

create index chat_remote_objects_by_name on public.chat_remote_objects using hash (object_id);
create index chat_remote_objects_ended on public.chat_remote_objects (ended_at) where ended_at is not null;
create index chat_remote_objects_unnamed on public.chat_remote_objects (begun_at) where object_id is null;

alter table public.chat_remote_objects enable row level security;
revoke all on public.chat_remote_objects from public, anon, authenticated, service_role;
grant select, insert, update, delete on public.chat_remote_objects to service_role;

-- Whichever statement takes a conversation away: its responses are not kept. On the thread/run wire runs go with their
-- threads.
create function chat_internal.keep_responses() returns trigger
language plpgsql volatile set search_path = '' as $$
begin
  insert into public.chat_remote_objects (kind, provider, object_id, begun_at, ended_at)
  select distinct 'response', case when p.kept then 'responses' end, r.run ->> 'run_id', v, v
  from chat_internal.now() v,
    (select exists (
       select 1 from public.chat_threads h
       where h.user_id = old.user_id and h.conversation_id = old.id and h.provider = 'responses') as kept) p,
    public.chat_turns t, jsonb_array_elements(t.runs) r (run)
  where t.user_id = old.user_id and t.conversation_id = old.id and r.run ->> 'run_id' is not null
    and (p.kept or old.thread_provider is distinct from 'assistants');
  return old;
end $$;

create trigger keep_responses before delete on public.chat_conversations
  for each row execute function chat_internal.keep_responses();

-- Whichever statement takes an assistant of ours from its agent, or the agent away.
create function chat_internal.keep_assistant() returns trigger
language plpgsql volatile set search_path = '' as $$
begin
  update public.chat_remote_objects set ended_at = chat_internal.now()
  where kind = 'assistant' and object_id = old.assistant_id and ended_at is null;
  return null;
end $$;

create trigger keep_changed_assistant after update of assistant_id on public.chat_agents
  for each row when (old.assistant_made and old.assistant_id is distinct from new.assistant_id)
  execute function chat_internal.keep_assistant();
create trigger keep_deleted_assistant after delete on public.chat_agents
  for each row when (old.assistant_made) execute function chat_internal.keep_assistant();

-- It was made: in use where its agent goes on with it, else to be deleted.
create function chat_internal.name_assistant(p_mark uuid, p_assistant text, p_used boolean) returns void
language plpgsql volatile set search_path = '' as $$
declare
  v timestamptz := chat_internal.now();
begin
  insert into public.chat_remote_objects (id, kind, provider, object_id, begun_at, ended_at)
  values (p_mark, 'assistant', 'assistants', p_assistant, v, case when not p_used then v end)
  on conflict (id) do update set object_id = excluded.object_id, ended_at = excluded.ended_at;
end $$;
