-- Outputs that were given at once stand in a turn's step and not in the ledger: of handoffs, and of calls that were
-- refused. A model that finds such a call without its output is told what it was, in a later turn too.

-- What was given at once to a call of this turn. Null where nothing was. A handoff that the turn did not come to make any
-- more is told as that.
create function chat_internal.given_at_once(t public.chat_turns, p_call text) returns text
language sql stable set search_path = '' as $$
  select case
    when c.value ->> 'name' not like 'transfer\_to\_%' or c.value ->> 'output' like '{"error": %'
      or s.handoffs <= jsonb_array_length(t.handoffs) then c.value ->> 'output'
    else chat_internal.error_output('not_run', 'The user went on before control was handed over.') end
  from (
    select step.value, step.ordinality,
      count(*) filter (where jsonb_typeof(step.value -> 'handoff') = 'object') over (order by step.ordinality) as handoffs
    from jsonb_array_elements(t.steps) with ordinality step) s
  cross join lateral jsonb_array_elements(s.value -> 'calls') c
  where c.value ->> 'call_id' = p_call and c.value ->> 'output' is not null
  order by s.ordinality desc limit 1
$$;

-- As it was, with what was given at once.
create or replace function public.chat_get_tool_output(p_user uuid, p_conversation uuid, p_call text) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  return jsonb_build_object('outcome', 'ok', 'output', (
    select coalesce(k.output, o.output)
    from public.chat_turns t
    left join public.chat_tool_calls k
      on k.turn_id = t.id and k.call_id = chat_internal.call_key(p_call) and k.status = 'done'
    left join lateral chat_internal.given_at_once(t, p_call) o (output) on t.steps <> '[]'
    where t.user_id = p_user and t.conversation_id = p_conversation and coalesce(k.output, o.output) is not null
    order by t.seq desc limit 1));
end $$;

create or replace function public.chat_schema_version() returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object('outcome', 'ok', 'version', '20261129000510')
$$;

select chat_internal.restrict_to_service_role('public.chat_get_tool_output', 'public.chat_schema_version');
