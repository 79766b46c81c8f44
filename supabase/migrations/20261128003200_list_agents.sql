-- The agents that a user may address, and the assistant made for an agent on the thread/run wire.

create function public.chat_list_agents(p_user uuid) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object('outcome', 'ok', 'agents', coalesce(jsonb_agg(
    chat_internal.agent_json(mine) order by mine.is_default desc, mine.slug), '[]'))
  from chat_internal.agents_of(p_user) mine
$$;

-- One of them, as it goes to work.
create function public.chat_get_agent(p_user uuid, p_slug text) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  a public.chat_agents := chat_internal.find_agent(p_user, p_slug);
begin
  if a.id is null then
    return jsonb_build_object('outcome', 'not_found');
  end if;
  return jsonb_build_object('outcome', 'ok', 'agent', chat_internal.worker_json(p_user, a));
end $$;

-- An assistant is about to be made. p_mark: what it will carry.
create function public.chat_begin_assistant(p_mark uuid) returns jsonb
language plpgsql volatile set search_path = '' as $$
begin
  insert into public.chat_remote_objects (id, kind, provider, begun_at)
  select p_mark, 'assistant', 'assistants', chat_internal.now() where p_mark is not null
  on conflict do nothing;
  return jsonb_build_object('outcome', 'ok');
end $$;

-- The first to record one wins; every caller gets that one back. `p_instead_of` is one that turned out to be deleted,
-- `p_mark` what the new one carries: not in use, it is to be deleted.
create function public.chat_remember_assistant(
  p_agent uuid, p_assistant text, p_instead_of text default null, p_mark uuid default null) returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
  a public.chat_agents;
begin
  update public.chat_agents set assistant_id = p_assistant, assistant_made = true
  where id = p_agent and (assistant_id is null or (assistant_made and assistant_id = p_instead_of));
  select * into a from public.chat_agents where id = p_agent;
  if p_mark is not null then
    perform chat_internal.name_assistant(p_mark, p_assistant, coalesce(a.assistant_id = p_assistant, false));
  end if;
  if a.id is null then
    return jsonb_build_object('outcome', 'not_found');
  end if;
  return jsonb_build_object('outcome', 'ok', 'assistant_id', a.assistant_id);
end $$;
