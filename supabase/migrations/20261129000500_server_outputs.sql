-- What came of the calls of MCP servers that a user has allowed. The provider makes them in the run that it is brought the
-- user's word with, so they stand in the record of that run (`server_outputs`, by call); the ledger knows the word alone.

create function chat_internal.server_output(t public.chat_turns, p_call jsonb) returns text
language sql immutable set search_path = '' as $$
  select r.value -> 'server_outputs' ->> (p_call ->> 'call_id')
  from jsonb_array_elements(t.runs) with ordinality r
  where p_call ->> 'server' is not null and r.value -> 'server_outputs' ? (p_call ->> 'call_id')
  order by r.ordinality desc limit 1
$$;

-- As it was, with those outputs.
create or replace function chat_internal.steps_json(t public.chat_turns) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  if t.steps = '[]' then
    return '[]'::jsonb;
  end if;
  return (
    select coalesce(jsonb_agg(step.value || jsonb_build_object('calls', (
      select coalesce(jsonb_agg(call.value || jsonb_build_object(
        'output', coalesce(call.value ->> 'output', chat_internal.server_output(t, call.value), k.output),
        'person', p.status) order by call.ordinality), '[]')
      from jsonb_array_elements(step.value -> 'calls') with ordinality call
      cross join lateral chat_internal.ledger_key(t, step.ordinality, call.value ->> 'call_id') key
      left join public.chat_tool_calls k on k.turn_id = t.id and k.call_id = key
      left join public.chat_person_calls p on p.turn_id = t.id and p.call_id = key))
      order by step.ordinality), '[]')
    from jsonb_array_elements(t.steps) with ordinality step);
end $$;

-- As it was, with those outputs, and with whether the user has allowed the call.
create or replace function chat_internal.calls_json(m public.chat_messages) returns jsonb
language sql stable set search_path = '' as $$
  with steps as (
    select s.value as step, s.ordinality as n, t,
      count(*) filter (where jsonb_typeof(s.value -> 'handoff') = 'object' or exists (
          select 1 from public.chat_turns w
          where w.user_id = m.user_id and w.joined_to = t.id and w.steered_step = s.ordinality))
        over (order by s.ordinality rows between unbounded preceding and 1 preceding) as segment
    from public.chat_turns t cross join lateral jsonb_array_elements(t.steps) with ordinality s
    where m.role = 'assistant' and t.id = m.turn_id)
  select coalesce(jsonb_agg(jsonb_build_object(
    'call_id', k.key, 'name', c.value ->> 'name', 'arguments', left(c.value ->> 'arguments', 4000),
    'output', left(coalesce(c.value ->> 'output', chat_internal.server_output(o.t, c.value), l.output), 4000),
    'approved', case when p.kind = 'approval' then p.status = 'approved' end, 'at', (
      select coalesce(sum(w.chars), 0) + 2 * greatest(count(*) - 1, 0) from (
        select max(length(e.step ->> 'text')) as chars from steps e
        where e.segment = o.segment and e.n <= o.n and e.step ->> 'text' ~ '\S' group by e.step ->> 'run_id') w))
    order by o.n, c.ordinality), '[]')
  from steps o
  cross join lateral jsonb_array_elements(o.step -> 'calls') with ordinality c
  cross join lateral chat_internal.ledger_key(o.t, o.n, c.value ->> 'call_id') k (key)
  left join public.chat_tool_calls l on l.turn_id = (o.t).id and l.call_id = k.key
  left join public.chat_person_calls p on p.turn_id = (o.t).id and p.call_id = k.key
  where o.segment = m.part and c.value ->> 'name' not like 'transfer\_to\_%'
$$;

create or replace function public.chat_schema_version() returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object('outcome', 'ok', 'version', '20261129000500')
$$;

select chat_internal.restrict_to_service_role('public.chat_schema_version');
