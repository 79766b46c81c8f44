-- Whom a user may address, and the assistant made for an agent on the thread/run wire.

create function public.list_agents(p_user uuid) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object('outcome', 'ok', 'agents', coalesce(jsonb_agg(
    internal.agent_json(mine) order by mine.is_default desc, mine.slug), '[]'))
  from internal.agents_of(p_user) mine
$$;

-- One of them, as it goes to work.
create function public.get_agent(p_user uuid, p_slug text) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  a public.agents := internal.find_agent(p_user, p_slug);
begin
  if a.id is null then
    return jsonb_build_object('outcome', 'not_found');
  end if;
  return jsonb_build_object('outcome', 'ok', 'agent', internal.worker_json(p_user, a));
end $$;

-- The first to record one wins; everybody gets that one back. `p_instead_of` is one that turned out to be deleted.
create function public.remember_assistant(p_agent uuid, p_assistant text, p_instead_of text default null) returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
  a public.agents;
begin
  update public.agents set assistant_id = p_assistant, assistant_made = true
  where id = p_agent and (assistant_id is null or (assistant_made and assistant_id = p_instead_of));
  select * into a from public.agents where id = p_agent;
  if not found then
    return jsonb_build_object('outcome', 'not_found');
  end if;
  return jsonb_build_object('outcome', 'ok', 'assistant_id', a.assistant_id);
end $$;

revoke execute on function public.list_agents(uuid) from public, anon, authenticated;
grant execute on function public.list_agents(uuid) to service_role;
revoke execute on function public.get_agent(uuid, text) from public, anon, authenticated;
grant execute on function public.get_agent(uuid, text) to service_role;
revoke execute on function public.remember_assistant(uuid, text, text) from public, anon, authenticated;
grant execute on function public.remember_assistant(uuid, text, text) to service_role;
