-- A turn as the service reads it: names as in its own vocabulary, and every duration measured here, on the one clock.

-- The messages that were joined into one run, in order; empty where there was none but the turn's own.
create function chat_internal.joined(t public.chat_turns) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  if t.strategy <> 'coalesce' then
    return '[]'::jsonb;
  end if;
  if t.joined_to is null and not exists (
      select 1 from public.chat_turns j
      where j.user_id = t.user_id and j.joined_to = t.id and j.strategy = 'coalesce') then
    return '[]'::jsonb;
  end if;
  return (
    select jsonb_agg(jsonb_build_object('turn_id', m.id, 'text', m.text, 'status', m.status) order by m.place, m.seq)
    from (
      select l.* from public.chat_turns l where l.user_id = t.user_id and l.id = coalesce(t.joined_to, t.id)
      union all
      select j.* from public.chat_turns j
      where j.user_id = t.user_id and j.joined_to = coalesce(t.joined_to, t.id)
        and j.strategy = 'coalesce') m);
end $$;

-- The messages that were steered into a turn, in order. `runs`: how many of its agents' runs had been started before.
create function chat_internal.steered(t public.chat_turns) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  if t.steps = '[]' then
    return '[]'::jsonb;
  end if;
  return (
    select coalesce(jsonb_agg(jsonb_build_object(
      'turn_id', s.id, 'text', s.text, 'status', s.status, 'after', s.steered_step, 'runs', (
        select count(*) from jsonb_array_elements(t.runs) with ordinality run
        where run.ordinality <= s.steered_runs and not run.value ? 'asked_by')) order by s.place, s.seq), '[]')
    from public.chat_turns s
    where s.user_id = t.user_id and s.joined_to = t.id and s.strategy = 'steer');
end $$;

create function chat_internal.turn_json(t public.chat_turns) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v timestamptz := chat_internal.now();
  lead public.chat_turns;  -- whose run answers this one too
  ahead bigint := 0;
begin
  if t.joined_to is not null then
    select * into lead from public.chat_turns l where l.id = t.joined_to and l.user_id = t.user_id;
  end if;
  if t.finished_at is null then
    select count(*) into ahead from public.chat_turns earlier
    where earlier.user_id = t.user_id and earlier.conversation_id = t.conversation_id
      and earlier.finished_at is null and earlier.joined_to is null
      and (earlier.place, earlier.seq) < (coalesce(lead.place, t.place), coalesce(lead.seq, t.seq));
  end if;
  return jsonb_build_object(
    'turn_id', t.id, 'conversation_id', t.conversation_id, 'user_id', t.user_id, 'seq', t.seq,
    'status', t.status, 'text', t.text, 'agent', t.agent, 'strategy', t.strategy, 'metadata', t.metadata,
    'attempt', t.attempt, 'failures', t.failures, 'conflicts', t.conflicts,
    'fallback', t.fallback, 'run_key', t.run_key, 'run_id', t.run_id, 'runs', t.runs, 'handoffs', t.handoffs,
    'cancel_requested', t.cancel_requested, 'superseded_by', t.superseded_by, 'superseded_how', t.superseded_how,
    'joined_to', t.joined_to, 'replaced', t.replaced, 'client_message_id', t.client_message_id,
    'joined', chat_internal.joined(t), 'steered', chat_internal.steered(t),
    'steered_into', case when t.strategy = 'steer' then t.joined_to end,
    'reply', t.reply, 'structured_at', t.structured_at, 'error', t.error, 'draft', t.draft,
    'stream_broken', chat_internal.stream_broken(t.id),
    'usage', jsonb_build_object('input_tokens', t.input_tokens, 'output_tokens', t.output_tokens),
    'waited_ms', chat_internal.ms(coalesce(t.first_started_at, t.finished_at, v) - t.created_at),
    'starting_ms', case when t.finished_at is null then chat_internal.ms(v - t.starting_at) end,
    'running_ms', case when t.finished_at is null then chat_internal.ms(v - t.running_at) end,
    'working_ms', case when t.finished_at is null then
      greatest(0, chat_internal.ms(coalesce(t.waiting_at, v) - t.first_started_at) - t.person_ms) end,
    'cancelling_ms', case when t.finished_at is null then chat_internal.ms(v - t.cancel_requested_at) end,
    'remaining_ms', chat_internal.ms(t.deadline_at - coalesce(t.waiting_at, v)),
    'calls', chat_internal.waiting_calls(t),
    'position', ahead,
    'created_at', chat_internal.iso(t.created_at), 'finished_at', chat_internal.iso(t.finished_at));
end $$;
