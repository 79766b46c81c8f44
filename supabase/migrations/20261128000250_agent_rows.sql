-- What an agent's row may hold, checked when it is written, by a user or an operator: an error names the field that is
-- wrong. Only what no wire could send is refused here, and what the wire that the row names cannot; what a server takes
-- of it shows when a run is started.

-- Patterns can count no further than 255, so the longest text is said beside them.
create function chat_internal.is_text(p_value jsonb, p_pattern text, p_most int default 1000) returns boolean
language sql immutable set search_path = '' as $$
  select coalesce(jsonb_typeof(p_value) = 'string' and p_value #>> '{}' ~ p_pattern
                  and length(p_value #>> '{}') <= p_most, false)
$$;

create function chat_internal.is_between(p_value jsonb, p_least numeric, p_most numeric, p_whole boolean default false)
returns boolean
language sql immutable set search_path = '' as $$
  select case when jsonb_typeof(p_value) is distinct from 'number' then false
              else (p_value #>> '{}')::numeric between p_least and p_most
                and (not p_whole or (p_value #>> '{}')::numeric = trunc((p_value #>> '{}')::numeric)) end
$$;

-- A list of at most so many texts of this pattern.
create function chat_internal.is_texts(p_value jsonb, p_pattern text, p_most int) returns boolean
language sql immutable set search_path = '' as $$
  select case when jsonb_typeof(p_value) is distinct from 'array' then false
              else jsonb_array_length(p_value) between 1 and p_most and not exists (
                select 1 from jsonb_array_elements(p_value) one where not chat_internal.is_text(one, p_pattern)) end
$$;

-- What is wrong with one setting: what it has to be; null where nothing is. `p_provider`: the wire that the row names.
create function chat_internal.setting_fault(p_name text, p_value jsonb, p_provider text) returns text
language sql immutable set search_path = '' as $$
  select case p_name
    when 'reasoning_effort' then case when not chat_internal.is_text(p_value, '^[a-z]{1,20}$')
      then 'has to be a word such as low, medium or high' end
    when 'verbosity' then case when not chat_internal.is_text(p_value, '^(low|medium|high)$')
      then 'has to be low, medium or high' when p_provider = 'assistants' then 'cannot be sent as a thread''s run' end
    when 'max_output_tokens' then case when not chat_internal.is_between(p_value, 16, 1000000, true)
      then 'has to be a whole number from 16 to 1000000' end
    when 'temperature' then case when not chat_internal.is_between(p_value, 0, 2)
      then 'has to be a number from 0 to 2' end
    when 'top_p' then case when not chat_internal.is_between(p_value, 0, 1) then 'has to be a number from 0 to 1' end
    when 'tool_choice' then case when not chat_internal.is_text(p_value, '^[a-zA-Z0-9_-]{1,64}$')
      then 'has to be auto, none, required or the name of a function' end
    when 'prompt_cache_key' then case when not chat_internal.is_text(p_value, '^[!-~]{1,64}$')
      then 'has to be 1 to 64 visible ASCII characters'
      when p_provider = 'assistants' then 'cannot be sent as a thread''s run' end
    when 'service_tier' then case when not chat_internal.is_text(p_value, '^[a-z]{1,20}$')
      then 'has to be a word such as auto, default, flex or priority'
      when p_provider = 'assistants' then 'cannot be sent as a thread''s run' end
    else 'is not a setting' end
$$;

-- What is wrong with one hosted tool, its own field first where one is to blame.
create function chat_internal.hosted_tool_fault(p_tool jsonb, p_provider text) returns text
language plpgsql immutable set search_path = '' as $$
declare
  kind text := p_tool ->> 'type';
  known text[];
  name text;
  good boolean;
begin
  known := case kind
    when 'web_search' then array['search_context_size', 'user_location', 'filters']
    when 'file_search' then array['vector_store_ids', 'max_num_results']
    when 'image_generation' then array['size', 'quality', 'background', 'output_format', 'model']
    when 'code_interpreter' then array['container']
    when 'mcp' then array['server_label', 'server_url', 'server_description', 'allowed_tools', 'require_approval',
                          'headers'] end;
  if known is null then
    return '.type has to be web_search, file_search, image_generation, code_interpreter or mcp';
  end if;
  if p_provider = 'assistants' and kind <> 'code_interpreter' then
    return '.type ' || kind || ' cannot be sent as a thread''s run';
  end if;
  select one into name from jsonb_object_keys(p_tool - 'type') one where one <> all (known) order by one limit 1;
  if name is not null then
    return '.' || name || ' is not a field of it';
  end if;
  for name in select one from jsonb_object_keys(p_tool - 'type') one order by one loop
    good := case name
      when 'search_context_size' then chat_internal.is_text(p_tool -> name, '^(low|medium|high)$')
      when 'vector_store_ids' then chat_internal.is_texts(p_tool -> name, '^[a-zA-Z0-9_-]{1,128}$', 16)
      when 'max_num_results' then chat_internal.is_between(p_tool -> name, 1, 50, true)
      when 'server_label' then chat_internal.is_text(p_tool -> name, '^[a-zA-Z][a-zA-Z0-9_-]{0,63}$')
      when 'server_url' then chat_internal.is_text(p_tool -> name, '^https://[^\s@#?]+$')
      when 'server_description' then chat_internal.is_text(p_tool -> name, '^.+$')
      when 'allowed_tools' then chat_internal.is_texts(p_tool -> name, '^[a-zA-Z0-9_.-]{1,128}$', 128)
      when 'require_approval' then chat_internal.is_text(p_tool -> name, '^(always|never)$')
      -- the names under which MCP_HEADERS of the environment has them, and never what they hold
      when 'headers' then jsonb_typeof(p_tool -> name) = 'object' and not exists (
        select 1 from jsonb_each(case jsonb_typeof(p_tool -> name) when 'object' then p_tool -> name else '{}' end) h
        where h.key !~ '^[a-zA-Z0-9-]{1,64}$' or not chat_internal.is_text(h.value, '^[a-zA-Z0-9_-]{1,64}$'))
      when 'container' then p_tool -> name = '{"type": "auto"}'
      when 'user_location' then jsonb_typeof(p_tool -> name) = 'object'
      when 'filters' then jsonb_typeof(p_tool -> name) = 'object'
      else chat_internal.is_text(p_tool -> name, '^[a-zA-Z0-9._-]{1,64}$') end;
    if not good then
      return '.' || name || case name
        when 'headers' then ' has to give names that MCP_HEADERS knows'
        when 'server_url' then ' has to be an https address' else ' is not of the right kind' end;
    end if;
  end loop;
  return case
    when kind = 'mcp' and not (p_tool ? 'server_label') then '.server_label is missing'
    when kind = 'mcp' and not (p_tool ? 'server_url') then '.server_url is missing'
    when kind = 'file_search' and not (p_tool ? 'vector_store_ids') then '.vector_store_ids is missing' end;
end $$;

-- The first field of the row that is wrong, and why: {field, fault}; null where none is.
create function chat_internal.agent_fault(a public.chat_agents) returns jsonb
language plpgsql immutable set search_path = '' as $$
declare
  one record;
  fault text;
begin
  if jsonb_typeof(a.settings) is distinct from 'object' then
    return jsonb_build_object('field', 'settings', 'fault', 'has to be a JSON object');
  end if;
  for one in select key, value from jsonb_each(a.settings) order by key loop
    fault := chat_internal.setting_fault(one.key, one.value, a.provider);
    if fault is not null then
      return jsonb_build_object('field', 'settings.' || one.key, 'fault', fault);
    end if;
  end loop;
  if a.output_schema is not null
     and (a.output_schema ->> 'type' is distinct from 'object' or length(a.output_schema::text) > 32000) then
    return jsonb_build_object('field', 'output_schema',
                              'fault', 'has to be a JSON Schema of type object, of at most 32000 characters');
  end if;
  if jsonb_typeof(a.hosted_tools) is distinct from 'array' or jsonb_array_length(a.hosted_tools) > 16 then
    return jsonb_build_object('field', 'hosted_tools', 'fault', 'has to be a list of at most 16 tools');
  end if;
  for one in select value, ordinality - 1 as at from jsonb_array_elements(a.hosted_tools) with ordinality loop
    fault := case when jsonb_typeof(one.value) <> 'object' then ' has to be a JSON object'
                  else chat_internal.hosted_tool_fault(one.value, a.provider) end;
    if fault is not null then
      return jsonb_build_object('field', 'hosted_tools[' || one.at || ']' || split_part(fault, ' ', 1),
                                'fault', substr(fault, position(' ' in fault) + 1));
    end if;
  end loop;
  if (select count(*) <> count(distinct t ->> 'server_label') from jsonb_array_elements(a.hosted_tools) t
      where t ->> 'type' = 'mcp') then
    return jsonb_build_object('field', 'hosted_tools', 'fault', 'has two servers of one server_label');
  end if;
  if jsonb_typeof(a.fallbacks) is distinct from 'array' or jsonb_array_length(a.fallbacks) > 5 then
    return jsonb_build_object('field', 'fallbacks', 'fault', 'has to be a list of at most 5');
  end if;
  for one in select value, ordinality - 1 as at from jsonb_array_elements(a.fallbacks) with ordinality loop
    if jsonb_typeof(one.value) <> 'object' or (one.value - array['model', 'provider']) <> '{}'
       or not (one.value ? 'model' or one.value ? 'provider')
       or (one.value ? 'model' and not chat_internal.is_text(one.value -> 'model', '^.{1,200}$', 200))
       or (one.value ? 'provider' and not chat_internal.is_text(one.value -> 'provider', '^(responses|assistants)$'))
    then
      return jsonb_build_object('field', 'fallbacks[' || one.at || ']',
                                'fault', 'has to name a model, a provider (responses or assistants), or both');
    end if;
  end loop;
  return null;
end $$;

create function chat_internal.check_agent() returns trigger
language plpgsql set search_path = '' as $$
declare
  wrong jsonb := chat_internal.agent_fault(new);
begin
  if wrong is not null then
    raise exception using errcode = 'check_violation', schema = 'public', table = 'chat_agents',
      column = substring(wrong ->> 'field' from '^[a-z_]+'), constraint = 'chat_agents_fields',
      message = 'chat_agents: ' || (wrong ->> 'field') || ' ' || (wrong ->> 'fault');
  end if;
  return new;
end $$;

create trigger chat_agents_fields before insert or update on public.chat_agents
  for each row execute function chat_internal.check_agent();

-- A number for every state of a row. An assistant that the service makes for it changes nothing of what it is.
create function chat_internal.count_agent_version() returns trigger
language plpgsql set search_path = '' as $$
declare
  ours text[] := array['version', 'assistant_made'] || case when new.assistant_made then array['assistant_id'] end;
begin
  if tg_op = 'INSERT' then
    new.version := 1;
  else
    new.version := old.version + (to_jsonb(new) - ours is distinct from to_jsonb(old) - ours)::int;
  end if;
  return new;
end $$;

create trigger chat_agents_version before insert or update on public.chat_agents
  for each row execute function chat_internal.count_agent_version();
