-- Rows as the function wants them: names as in its own vocabulary, and every duration measured here, on the one clock.

-- Call ids are the server's words and may be longer than an index takes.
create function internal.call_key(p_call text) returns text
language sql immutable set search_path = '' as $$
  select case when length(p_call) <= 200 then p_call
              else 'sha256:' || encode(sha256(convert_to(p_call, 'UTF8')), 'hex') end
$$;

-- The messages that were joined into one run, in order; empty where there was none but the turn's own.
create function internal.joined(t public.turns) returns jsonb
language sql stable set search_path = '' as $$
  select case when t.strategy = 'coalesce' and (t.joined_to is not null or exists (
      select 1 from public.turns j where j.user_id = t.user_id and j.joined_to = t.id))
    then (
      select jsonb_agg(jsonb_build_object('turn_id', m.id, 'text', m.text, 'status', m.status)
                       order by m.place, m.seq)
      from (
        select l.* from public.turns l where l.user_id = t.user_id and l.id = coalesce(t.joined_to, t.id)
        union all
        select j.* from public.turns j where j.user_id = t.user_id and j.joined_to = coalesce(t.joined_to, t.id)) m)
    else '[]' end
$$;

create function internal.turn_json(t public.turns) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'turn_id', t.id, 'conversation_id', t.conversation_id, 'user_id', t.user_id, 'seq', t.seq,
    'status', t.status, 'text', t.text, 'agent', t.agent, 'strategy', t.strategy, 'metadata', t.metadata,
    'attempt', t.attempt, 'failures', t.failures, 'conflicts', t.conflicts,
    'run_key', t.run_key, 'run_id', t.run_id, 'runs', t.runs, 'handoffs', t.handoffs,
    'cancel_requested', t.cancel_requested, 'superseded_by', t.superseded_by, 'superseded_how', t.superseded_how,
    'joined_to', t.joined_to, 'joined', internal.joined(t), 'reply', t.reply, 'error', t.error, 'draft', t.draft,
    'usage', jsonb_build_object('input_tokens', t.input_tokens, 'output_tokens', t.output_tokens),
    'waited_ms', internal.ms(coalesce(t.first_started_at, t.finished_at, clock.now) - t.created_at),
    'starting_ms', case when t.finished_at is null then internal.ms(clock.now - t.starting_at) end,
    'running_ms', case when t.finished_at is null then internal.ms(clock.now - t.running_at) end,
    'working_ms', case when t.finished_at is null then internal.ms(clock.now - t.first_started_at) end,
    'cancelling_ms', case when t.finished_at is null then internal.ms(clock.now - t.cancel_requested_at) end,
    'remaining_ms', internal.ms(t.deadline_at - clock.now),
    'position', case when t.finished_at is not null then 0 else (
      select count(*) from public.turns earlier
      where earlier.user_id = t.user_id and earlier.conversation_id = t.conversation_id
        and earlier.finished_at is null and earlier.joined_to is null
        and (earlier.place, earlier.seq) < (coalesce(lead.place, t.place), coalesce(lead.seq, t.seq))) end,
    'created_at', internal.iso(t.created_at), 'finished_at', internal.iso(t.finished_at))
  from (select internal.now() as now) clock
  left join public.turns lead on lead.id = t.joined_to and lead.user_id = t.user_id
$$;

create function internal.agent_json(a public.agents) returns jsonb
language sql stable set search_path = '' as $$
  select case when a.id is not null then jsonb_build_object(
    'agent_id', a.id, 'slug', a.slug, 'name', a.name, 'description', a.description, 'provider', a.provider,
    'model', a.model, 'instructions', a.instructions, 'assistant_id', a.assistant_id,
    'assistant_made', a.assistant_made, 'tools', to_jsonb(a.tools),
    'handoffs', to_jsonb(a.handoffs), 'as_tool', a.as_tool, 'is_default', a.is_default) end
$$;

-- What the ledger knows a call by: some servers count the calls of every run from one, so one of the same id in earlier
-- steps is told apart by a number. `shared/asking.py` counts the same way.
create function internal.ledger_key(t public.turns, p_step bigint, p_call text) returns text
language sql immutable set search_path = '' as $$
  select internal.call_key(p_call || case when count(*) > 0 then '#' || (count(*) + 1) else '' end)
  from jsonb_array_elements(t.steps) with ordinality earlier
  where earlier.ordinality < p_step
    and jsonb_path_exists(earlier.value -> 'calls', '$[*].call_id ? (@ == $id)', jsonb_build_object('id', p_call))
$$;

-- The runs of a turn that asked for tools, with what they were given so far.
create function internal.steps_json(t public.turns) returns jsonb
language sql stable set search_path = '' as $$
  select coalesce(jsonb_agg(step.value || jsonb_build_object('calls', (
    select coalesce(jsonb_agg(call.value || jsonb_build_object(
      'output', coalesce(call.value ->> 'output', k.output)) order by call.ordinality), '[]')
    from jsonb_array_elements(step.value -> 'calls') with ordinality call
    left join public.tool_calls k
      on k.turn_id = t.id and k.call_id = internal.ledger_key(t, step.ordinality, call.value ->> 'call_id')))
    order by step.ordinality), '[]')
  from jsonb_array_elements(t.steps) with ordinality step
$$;

create function internal.message_json(m public.messages) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'id', m.id, 'seq', m.seq, 'turn_id', m.turn_id, 'turn_seq', m.turn_seq, 'role', m.role, 'agent', m.agent,
    'text', m.text, 'partial', m.partial, 'handoff_to', m.handoff_to, 'created_at', internal.iso(m.created_at))
$$;

create function internal.conversation_json(c public.conversations) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'conversation_id', c.id, 'agent', c.active_agent, 'turns', c.next_seq - 1,
    'scope', case when c.scope_kind is not null then
      jsonb_build_object('kind', c.scope_kind, 'key', c.scope_key) end,
    'status', case when exists (
      select 1 from public.turns t
      where t.user_id = c.user_id and t.conversation_id = c.id and t.finished_at is null) then 'busy' else 'idle' end,
    'created_at', internal.iso(c.created_at), 'updated_at', internal.iso(c.updated_at))
$$;
