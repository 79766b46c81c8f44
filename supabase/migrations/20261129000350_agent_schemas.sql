-- JSON Schemas in an agent's row are checked as well when it is written: what is none would be refused with every run.

-- Where a schema is none, and why, from there on; null where it is one. What its words mean together is left to the
-- server that takes it.
create function chat_internal.schema_fault(p_schema jsonb, p_depth int default 0) returns text
language plpgsql immutable set search_path = '' as $$
declare
  one record;
  below record;
  fault text;
begin
  if jsonb_typeof(p_schema) = 'boolean' then
    return null;
  elsif jsonb_typeof(p_schema) is distinct from 'object' then
    return ' has to be a JSON Schema';
  elsif p_depth > 30 then
    return ' is nested too deep';
  end if;
  for one in select key, value, jsonb_typeof(value) as kind from jsonb_each(p_schema) order by key loop
    if one.key in ('properties', 'patternProperties', '$defs', 'definitions', 'dependentSchemas') then
      if one.kind <> 'object' then
        return '.' || one.key || ' has to be a JSON object';
      end if;
      for below in select key, value from jsonb_each(one.value) order by key loop
        fault := chat_internal.schema_fault(below.value, p_depth + 1);
        if fault is not null then
          return '.' || one.key || '.' || regexp_replace(left(below.key, 64), '\s', '_', 'g') || fault;
        end if;
      end loop;
    elsif one.key in ('anyOf', 'oneOf', 'allOf', 'prefixItems') or (one.key = 'items' and one.kind = 'array') then
      if one.kind <> 'array' then
        return '.' || one.key || ' has to be a list';
      end if;
      for below in select value, ordinality - 1 as at from jsonb_array_elements(one.value) with ordinality loop
        fault := chat_internal.schema_fault(below.value, p_depth + 1);
        if fault is not null then
          return '.' || one.key || '[' || below.at || ']' || fault;
        end if;
      end loop;
    elsif one.key in ('items', 'additionalProperties', 'not', 'if', 'then', 'else', 'contains', 'propertyNames') then
      fault := chat_internal.schema_fault(one.value, p_depth + 1);
      if fault is not null then
        return '.' || one.key || fault;
      end if;
    elsif one.key = 'required' and (one.kind <> 'array' or exists (
        select 1 from jsonb_array_elements(case one.kind when 'array' then one.value else '[]' end) field
        where jsonb_typeof(field) <> 'string')) then
      return '.required has to be a list of names';
    elsif one.key = 'enum' and one.kind <> 'array' then
      return '.enum has to be a list';
    elsif one.key = 'type' and (one.kind not in ('string', 'array')
        or not one.value <@ '["object", "array", "string", "number", "integer", "boolean", "null"]') then
      return '.type has to be a type of JSON, or a list of them';
    end if;
  end loop;
  return null;
end $$;

-- What is wrong with one function of the browser, its own field first where one is to blame.
create function chat_internal.client_tool_fault(p_tool jsonb, p_tools text[]) returns text
language plpgsql immutable set search_path = '' as $$
declare
  name text := p_tool ->> 'name';
begin
  return case
    when jsonb_typeof(p_tool) <> 'object' then ' has to be a JSON object'
    when (p_tool - array['name', 'description', 'parameters']) <> '{}'
      then ' may have a name, a description and parameters only'
    when not chat_internal.is_text(p_tool -> 'name', '^[a-zA-Z0-9_-]{1,64}$')
      then '.name has to be 1 to 64 letters, digits, _ or -'
    when name ~ '^(transfer_to|ask)_' or name = any (p_tools) then '.name is that of another function of the agent'
    when not chat_internal.is_text(p_tool -> 'description', '')
      then '.description has to be a text of at most 1000 characters'
    when p_tool -> 'parameters' ->> 'type' is distinct from 'object' or length((p_tool -> 'parameters')::text) > 16000
      then '.parameters has to be a JSON Schema of type object, of at most 16000 characters'
    else '.parameters' || chat_internal.schema_fault(p_tool -> 'parameters') end;
end $$;

-- As the field that is wrong, and why.
create function chat_internal.field_fault(p_field text, p_fault text) returns jsonb
language sql immutable set search_path = '' as $$
  select case when p_fault is not null then jsonb_build_object(
    'field', left(p_field || split_part(p_fault, ' ', 1), 200),
    'fault', substr(p_fault, position(' ' in p_fault) + 1)) end
$$;

create or replace function chat_internal.agent_fault(a public.chat_agents) returns jsonb
language plpgsql immutable set search_path = '' as $$
declare
  one record;
  fault text;
begin
  if a.is_default and a.owner_id is not null then
    return jsonb_build_object('field', 'is_default', 'fault', 'is only for an agent that everybody has');
  end if;
  for one in
    select * from (values ('tools', a.tools), ('handoffs', a.handoffs), ('approvals', a.approvals)) l (name, list)
  loop
    if array_position(one.list, null) is not null then
      return jsonb_build_object('field', one.name, 'fault', 'has to be a list of names');
    end if;
  end loop;
  if jsonb_typeof(a.settings) is distinct from 'object' then
    return jsonb_build_object('field', 'settings', 'fault', 'has to be a JSON object');
  end if;
  for one in select key, value from jsonb_each(a.settings) order by key loop
    fault := chat_internal.setting_fault(one.key, one.value, a.provider);
    if fault is not null then
      return jsonb_build_object('field', 'settings.' || one.key, 'fault', fault);
    end if;
  end loop;
  if a.output_schema is not null then
    if a.output_schema ->> 'type' is distinct from 'object' or length(a.output_schema::text) > 32000 then
      return jsonb_build_object('field', 'output_schema',
                                'fault', 'has to be a JSON Schema of type object, of at most 32000 characters');
    end if;
    fault := chat_internal.schema_fault(a.output_schema);
    if fault is not null then
      return chat_internal.field_fault('output_schema', fault);
    end if;
  end if;
  if not a.approvals <@ a.tools then
    return jsonb_build_object('field', 'approvals', 'fault', 'may hold only functions that tools holds as well');
  end if;
  if jsonb_typeof(a.client_tools) is distinct from 'array' or jsonb_array_length(a.client_tools) > 32 then
    return jsonb_build_object('field', 'client_tools', 'fault', 'has to be a list of at most 32 functions');
  end if;
  for one in select value, ordinality - 1 as at from jsonb_array_elements(a.client_tools) with ordinality loop
    fault := chat_internal.client_tool_fault(one.value, a.tools);
    if fault is not null then
      return chat_internal.field_fault('client_tools[' || one.at || ']', fault);
    end if;
  end loop;
  if (select count(*) <> count(distinct t ->> 'name') from jsonb_array_elements(a.client_tools) t) then
    return jsonb_build_object('field', 'client_tools', 'fault', 'has two functions of one name');
  end if;
  if jsonb_typeof(a.hosted_tools) is distinct from 'array' or jsonb_array_length(a.hosted_tools) > 16 then
    return jsonb_build_object('field', 'hosted_tools', 'fault', 'has to be a list of at most 16 tools');
  end if;
  for one in select value, ordinality - 1 as at from jsonb_array_elements(a.hosted_tools) with ordinality loop
    fault := case when jsonb_typeof(one.value) <> 'object' then ' has to be a JSON object'
                  else chat_internal.hosted_tool_fault(one.value, a.provider) end;
    if fault is not null then
      return chat_internal.field_fault('hosted_tools[' || one.at || ']', fault);
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

create or replace function public.chat_schema_version() returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object('outcome', 'ok', 'version', '20261129000350')
$$;

select chat_internal.restrict_to_service_role('public.chat_schema_version');
