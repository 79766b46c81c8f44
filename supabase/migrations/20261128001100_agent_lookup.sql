-- Which agent a slug means for a user: the user's own before a global one.

create function chat_internal.find_agent(p_user uuid, p_slug text) returns public.chat_agents
language plpgsql stable set search_path = '' as $$
declare
  meant public.chat_agents;
begin
  select a.* into meant from public.chat_agents a
  where a.slug = p_slug and (a.owner_id = p_user or a.owner_id is null)
  order by a.owner_id nulls last limit 1;
  return meant;
end $$;

create function chat_internal.default_agent() returns public.chat_agents
language plpgsql stable set search_path = '' as $$
declare
  meant public.chat_agents;
begin
  select a.* into meant from public.chat_agents a
  where a.owner_id is null
  order by a.is_default desc, a.created_at, a.slug limit 1;
  return meant;
end $$;

-- A turn outlives its agent's row: where that is gone, the default agent answers.
create function chat_internal.agent_or_default(p_user uuid, p_slug text) returns public.chat_agents
language plpgsql stable set search_path = '' as $$
declare
  a public.chat_agents;
begin
  a := chat_internal.find_agent(p_user, p_slug);
  if a.id is null then
    a := chat_internal.default_agent();
  end if;
  return a;
end $$;

-- Every agent that a user may address, one of each slug.
create function chat_internal.agents_of(p_user uuid) returns setof public.chat_agents
language sql stable set search_path = '' as $$
  select distinct on (a.slug) a.* from public.chat_agents a
  where a.owner_id is null or a.owner_id = p_user
  order by a.slug, a.owner_id nulls last
$$;

create function chat_internal.agent_json(a public.chat_agents) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  return case when a.id is not null then jsonb_build_object(
    'agent_id', a.id, 'owned', a.owner_id is not null, 'slug', a.slug,
    'name', a.name, 'description', a.description, 'provider', a.provider,
    'model', a.model, 'instructions', a.instructions, 'assistant_id', a.assistant_id,
    'assistant_made', a.assistant_made, 'tools', to_jsonb(a.tools), 'approvals', to_jsonb(a.approvals),
    'client_tools', a.client_tools, 'ask_user', a.ask_user,
    'handoffs', to_jsonb(a.handoffs), 'as_tool', a.as_tool, 'is_default', a.is_default,
    'settings', a.settings, 'output_schema', a.output_schema, 'hosted_tools', a.hosted_tools,
    'fallbacks', a.fallbacks, 'version', a.version) end;
end $$;

-- An agent at work, with those it may hand over to and those it may ask.
create function chat_internal.worker_json(p_user uuid, a public.chat_agents) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  return chat_internal.agent_json(a) || jsonb_build_object('peers', coalesce((
    select jsonb_agg(jsonb_build_object(
      'slug', p.slug, 'name', p.name, 'description', p.description,
      'handoff', p.slug = any (a.handoffs), 'ask', p.as_tool) order by p.slug)
    from (
      select unnest(a.handoffs) as slug
      union
      select t.slug from public.chat_agents t where t.as_tool and (t.owner_id is null or t.owner_id = p_user)) near
    cross join lateral chat_internal.find_agent(p_user, near.slug) p
    where p.slug <> a.slug and (p.as_tool or p.slug = any (a.handoffs))), '[]'));
end $$;
