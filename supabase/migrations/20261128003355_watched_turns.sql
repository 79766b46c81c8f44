-- What operators see of single turns: the live queue, those that failed or were slow, one turn's events.

-- A turn as operators see it, with the lease of its conversation and the turn at the head of its queue.
create function chat_internal.watched_json(t public.chat_turns) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'turn_id', t.id, 'conversation_id', t.conversation_id, 'seq', t.seq, 'status', t.status, 'agent', t.agent,
    'strategy', t.strategy, 'attempt', t.attempt, 'failures', t.failures, 'conflicts', t.conflicts,
    'run_id', t.run_id, 'blocked_by', t.blocked_by, 'held_up_by', t.held_up_by,
    'cancel_requested', t.cancel_requested, 'superseded_by', t.superseded_by, 'joined_to', t.joined_to,
    'code', t.error ->> 'code', 'created_at', chat_internal.iso(t.created_at),
    'finished_at', chat_internal.iso(t.finished_at),
    'age_ms', chat_internal.ms(coalesce(t.finished_at, clock.now) - t.created_at),
    'waited_ms', chat_internal.ms(coalesce(t.first_started_at, t.finished_at, clock.now) - t.created_at),
    'idle_ms', case when t.finished_at is null then chat_internal.ms(clock.now - t.updated_at) end,
    'input_tokens', t.input_tokens, 'output_tokens', t.output_tokens,
    'head_turn_id', case when t.finished_at is null then h.id end,
    'lease', case when t.finished_at is not null then null when c.lease_owner is null then 'free'
                  when c.lease_until <= clock.now then 'lapsed' else 'held' end)
  from (select chat_internal.now() as now) clock, public.chat_conversations c
  left join lateral chat_internal.head(c) h on true
  where c.user_id = t.user_id and c.id = t.conversation_id
$$;

-- open: the longest waiting first; failed: the newest first; slow: those that took half a minute or more, the newest
-- first. The last two of the days whose events are kept.
create function public.chat_list_watched(p_state text, p_limit int) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  most int := least(greatest(p_limit, 1), 200);
begin
  if p_state = 'open' then
    return jsonb_build_object('outcome', 'ok', 'turns', (
      select coalesce(jsonb_agg(chat_internal.watched_json(t) order by t.created_at, t.seq), '[]')
      from (
        select o.* from public.chat_turns o where o.finished_at is null order by o.created_at, o.seq limit most) t));
  end if;
  return jsonb_build_object('outcome', 'ok', 'turns', (
    select coalesce(jsonb_agg(chat_internal.watched_json(t) order by t.finished_at desc, t.seq desc), '[]')
    from public.chat_turns t
    where t.id in (
      select e.turn_id from public.chat_turn_events e
      where p_state = 'failed' and e.name = 'turn.failed' order by e.at desc limit most)
    or t.id in (
      select e.turn_id from public.chat_turn_events e
      where p_state = 'slow' and e.name in ('turn.completed', 'turn.failed', 'turn.cancelled') and e.ms >= 30000
      order by e.at desc limit most)));
end $$;

create function public.chat_get_timeline(p_turn uuid) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  t public.chat_turns;
begin
  select * into t from public.chat_turns where id = p_turn;
  if not found then
    return jsonb_build_object('outcome', 'not_found');
  end if;
  return jsonb_build_object('outcome', 'ok', 'turn', chat_internal.watched_json(t), 'events', (
    select coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
      'at', chat_internal.iso(e.at), 'at_ms', chat_internal.ms(e.at - t.created_at), 'name', e.name, 'agent', e.agent,
      'run_id', e.run_id, 'tool', e.tool, 'code', e.code, 'other_turn_id', e.other_turn_id, 'nth', e.nth,
      'ms', e.ms)) order by e.at, e.number), '[]')
    from public.chat_turn_events e where e.turn_id = p_turn));
end $$;
