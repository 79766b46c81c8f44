-- Agents of a user's own: made, changed and removed by that user alone. What costs the operator, or reaches what is the
-- operator's, is not theirs to set: the wire, the assistant, files, other servers, the tier, any model that no agent of
-- everybody's has.

-- The field of an own agent that only an operator may set so, and why; null where none is.
create function chat_internal.own_agent_fault(a public.chat_agents) returns jsonb
language sql stable set search_path = '' as $$
  with models as (select m.model from public.chat_agents m where m.owner_id is null)
  select case
    when a.model not in (select model from models)
      then '{"field": "model", "fault": "has to be the model of an agent that everybody has"}'::jsonb
    when a.settings ? 'service_tier'
      then '{"field": "settings.service_tier", "fault": "is the operator''s to set"}'
    when exists (select 1 from jsonb_array_elements(a.hosted_tools) t where t ->> 'type' = 'file_search')
      then '{"field": "hosted_tools", "fault": "may hold no file_search: its files are the operator''s"}'
    when exists (select 1 from jsonb_array_elements(a.hosted_tools) t where t ->> 'type' = 'mcp')
      then '{"field": "hosted_tools", "fault": "may hold no mcp: the operator''s provider would call any address"}'
    when exists (select 1 from jsonb_array_elements(a.fallbacks) f
                 where f ? 'provider' or f ->> 'model' not in (select model from models))
      then '{"field": "fallbacks", "fault": "may name models of agents that everybody has, and no provider"}' end
$$;

-- A row as what a user may say of it changes it. What is not named stays; null is what stands where nothing was said.
create function chat_internal.with_fields(a public.chat_agents, p_fields jsonb) returns public.chat_agents
language sql stable set search_path = '' as $$
  select jsonb_populate_record(a, p_fields - array[
    'id', 'owner_id', 'provider', 'assistant_id', 'assistant_made', 'is_default', 'version', 'created_at'])
$$;

-- The first constraint of the table that a row breaks, as the field that it is about.
create function chat_internal.field_of_constraint(p_column text, p_constraint text) returns text
language sql immutable set search_path = '' as $$
  select coalesce(nullif(p_column, ''), substring(p_constraint from '^chat_agents_(.+?)(?:_check)?$'))
$$;

-- p_agent: its id to be, by which a call that is repeated finds what it has made.
create function public.chat_create_agent(p_user uuid, p_agent uuid, p_fields text, p_most int) returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
  fields jsonb := p_fields::jsonb;
  a public.chat_agents;
  wrong jsonb;
  col text;
  rule text;
begin
  perform pg_advisory_xact_lock(hashtextextended('chat_own_agents ' || p_user::text, 0));
  select * into a from public.chat_agents o where o.id = p_agent;
  if found then
    return jsonb_build_object('outcome', 'ok', 'agent', chat_internal.agent_json(a));
  end if;
  if exists (select 1 from public.chat_agents o where o.owner_id = p_user and o.slug = fields ->> 'slug') then
    return jsonb_build_object('outcome', 'agent_exists');
  end if;
  if (select count(*) from public.chat_agents o where o.owner_id = p_user) >= p_most then
    return jsonb_build_object('outcome', 'too_many_agents', 'most', p_most);
  end if;
  a.model := (chat_internal.default_agent()).model;
  a.description := '';
  a.instructions := '';
  a.tools := '{}';
  a.handoffs := '{}';
  a.approvals := '{}';
  a.client_tools := '[]';
  a.ask_user := false;
  a.as_tool := false;
  a.settings := '{}';
  a.hosted_tools := '[]';
  a.fallbacks := '[]';
  a := chat_internal.with_fields(a, fields);
  if a.model is null then
    return jsonb_build_object('outcome', 'no_agents');
  end if;
  wrong := coalesce(chat_internal.agent_fault(a), chat_internal.own_agent_fault(a));
  if wrong is not null then
    return jsonb_build_object('outcome', 'wrong_field') || wrong;
  end if;
  a.id := p_agent;
  a.owner_id := p_user;
  a.assistant_made := false;
  a.is_default := false;
  a.version := 1;
  a.created_at := chat_internal.now();
  insert into public.chat_agents select a.* returning * into a;
  return jsonb_build_object('outcome', 'ok', 'agent', chat_internal.agent_json(a));
exception when check_violation or not_null_violation then
  get stacked diagnostics col = column_name, rule = constraint_name;
  return jsonb_build_object('outcome', 'wrong_field', 'fault', 'is not valid',
                            'field', chat_internal.field_of_constraint(col, rule));
end $$;

create function public.chat_change_agent(p_user uuid, p_slug text, p_fields text) returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
  a public.chat_agents;
  wrong jsonb;
  col text;
  rule text;
begin
  select * into a from public.chat_agents where owner_id = p_user and slug = p_slug for update;
  if not found then
    return jsonb_build_object('outcome', 'not_found');
  end if;
  a := chat_internal.with_fields(a, p_fields::jsonb - 'slug');
  wrong := coalesce(chat_internal.agent_fault(a), chat_internal.own_agent_fault(a));
  if wrong is not null then
    return jsonb_build_object('outcome', 'wrong_field') || wrong;
  end if;
  update public.chat_agents set
    name = a.name, description = a.description, model = a.model, instructions = a.instructions, tools = a.tools,
    handoffs = a.handoffs, approvals = a.approvals, client_tools = a.client_tools, ask_user = a.ask_user,
    as_tool = a.as_tool, settings = a.settings, output_schema = a.output_schema, hosted_tools = a.hosted_tools,
    fallbacks = a.fallbacks
  where id = a.id returning * into a;
  return jsonb_build_object('outcome', 'ok', 'agent', chat_internal.agent_json(a));
exception when check_violation or not_null_violation then
  get stacked diagnostics col = column_name, rule = constraint_name;
  return jsonb_build_object('outcome', 'wrong_field', 'fault', 'is not valid',
                            'field', chat_internal.field_of_constraint(col, rule));
end $$;

-- A turn under way goes on with the row that it read; the default agent answers where the row is looked for again.
-- By its id, so that a call that is repeated takes no other one of the same name.
create function public.chat_delete_agent(p_user uuid, p_agent uuid) returns jsonb
language plpgsql volatile set search_path = '' as $$
begin
  delete from public.chat_agents where owner_id = p_user and id = p_agent;
  return jsonb_build_object('outcome', 'ok');
end $$;
