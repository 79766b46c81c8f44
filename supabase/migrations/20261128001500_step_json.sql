-- The steps of a turn, its runs that asked for tools, with the outputs that the ledger of tool calls holds for them.

-- Call ids are chosen by the server and may be longer than an index takes.
create function chat_internal.call_key(p_call text) returns text
language sql immutable set search_path = '' as $$
  select case when length(p_call) <= 200 then p_call
              else 'sha256:' || encode(sha256(convert_to(p_call, 'UTF8')), 'hex') end
$$;

-- What the ledger knows a call by: some servers count the calls of every run from one, so one of the same id in earlier
-- steps is told apart by a number. `key_of` of the service counts the same way.
create function chat_internal.ledger_key(t public.chat_turns, p_step bigint, p_call text) returns text
language sql immutable set search_path = '' as $$
  select chat_internal.call_key(p_call || case when count(*) > 0 then '#' || (count(*) + 1) else '' end)
  from jsonb_array_elements(t.steps) with ordinality earlier
  where earlier.ordinality < p_step
    and jsonb_path_exists(earlier.value -> 'calls', '$[*].call_id ? (@ == $id)', jsonb_build_object('id', p_call))
$$;

-- The runs of a turn that asked for tools, with what they were given so far.
create function chat_internal.steps_json(t public.chat_turns) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  if t.steps = '[]' then
    return '[]'::jsonb;
  end if;
  return (
    select coalesce(jsonb_agg(step.value || jsonb_build_object('calls', (
      select coalesce(jsonb_agg(call.value || jsonb_build_object(
        'output', coalesce(call.value ->> 'output', k.output), 'person', p.status) order by call.ordinality), '[]')
      from jsonb_array_elements(step.value -> 'calls') with ordinality call
      cross join lateral chat_internal.ledger_key(t, step.ordinality, call.value ->> 'call_id') key
      left join public.chat_tool_calls k on k.turn_id = t.id and k.call_id = key
      left join public.chat_person_calls p on p.turn_id = t.id and p.call_id = key))
      order by step.ordinality), '[]')
    from jsonb_array_elements(t.steps) with ordinality step);
end $$;
