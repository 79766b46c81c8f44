-- What breakers add to functions of before: where turns begin, what their writes do, and what operators read.

-- With the choice that the turn begins with, in the write of the intent itself: so another holder, and a repeat after a
-- lost create, go on with it.
create or replace function chat_internal.start_turn(
  c public.chat_conversations, t public.chat_turns, p_op text, p_now timestamptz)
returns public.chat_turns
language plpgsql volatile set search_path = '' as $$
declare
  worker text := case when t.agent_named or t.attempt > 0 then t.agent else c.active_agent end;
  tried int[] := case when t.attempt = 0 then chat_internal.choose(t.user_id, worker, p_now) end;
begin
  update public.chat_turns set
    status = 'starting',
    attempt = attempt + 1,
    run_key = id::text || '.' || (attempt + 1),
    run_id = null,
    agent = worker,
    fallback = coalesce(tried[1], fallback),
    choices = coalesce(tried, choices),
    starting_at = p_now,
    running_at = null,
    not_before = null,
    ops = chat_internal.remember_op(ops, p_op),
    updated_at = p_now
  where id = t.id
  returning * into t;
  perform chat_internal.add_line(t, 'user', null, t.text, p_now);
  perform chat_internal.join_waiting(t, p_now);
  return t;
end $$;

-- With the choices of it that have failed, and when the last time was.
create or replace function chat_internal.worker_json(p_user uuid, a public.chat_agents) returns jsonb
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
    where p.slug <> a.slug and (p.as_tool or p.slug = any (a.handoffs))), '[]'))
    || case when a.fallbacks <> '[]' and exists (select 1 from public.chat_breakers) then (
      select jsonb_build_object('troubled', coalesce(jsonb_object_agg(b.choice, b.failed_us), '{}')) from (
        select o.choice, chat_internal.micros(max(o.failed_at)) as failed_us
        from chat_internal.breakers_of(a, chat_internal.now()) o group by o.choice) b) else '{}' end;
end $$;

create or replace function chat_internal.turn_json(t public.chat_turns) returns jsonb
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
    'fallback', t.fallback, 'choices', t.choices,
    'run_key', t.run_key, 'run_id', t.run_id, 'runs', t.runs, 'handoffs', t.handoffs,
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

-- The agent that a turn is handed over to begins with a choice of its own (`choose` of the patch); as its row has it,
-- where a create was lost in this turn: its wire is not left behind.
create function chat_internal.choose_again(t public.chat_turns, p_chooses boolean, p_now timestamptz)
returns public.chat_turns
language plpgsql volatile set search_path = '' as $$
declare
  tried int[] := case when p_chooses and t.failures = 0 then chat_internal.choose(t.user_id, t.agent, p_now) end;
begin
  if tried is not null or t.choices is not null then
    update public.chat_turns set fallback = coalesce(tried[1], 0), choices = tried where id = t.id returning * into t;
  end if;
  return t;
end $$;

create or replace function public.chat_advance_turn(
  p_user uuid, p_conversation uuid, p_turn uuid, p_epoch bigint, p_op text, p_to text, p_patch text, p_lease_ms int,
  p_next_owner text default null, p_next_lease_ms int default 0) returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
  c public.chat_conversations;
  t public.chat_turns;
  v timestamptz;
  was text;
  unwritten text;  -- the outcome of a write that changes nothing but the lease
  patch jsonb := p_patch::jsonb;
  breaker text;  -- what becomes of one
begin
  select * into c from public.chat_conversations where user_id = p_user and id = p_conversation for update;
  if not found then
    perform chat_internal.leave_thread(patch -> 'thread');
    return jsonb_build_object('outcome', 'not_found');
  end if;
  -- by its id alone: the planner would as soon read the whole conversation, which it takes for a short one
  select * into t from public.chat_turns where id = p_turn;
  if not found or t.user_id <> p_user or t.conversation_id <> p_conversation then
    return jsonb_build_object('outcome', 'not_found');
  end if;
  if p_op = any (t.ops) then
    -- what was handed over with it is handed over again, and nothing else
    return chat_internal.hand_over(jsonb_build_object('outcome', 'ok', 'turn', chat_internal.turn_json(t)), t,
                                   case when c.claim_op = p_op then p_next_owner end, p_next_lease_ms, p_op);
  end if;
  if c.lease_epoch <> p_epoch then
    perform chat_internal.leave_thread(patch -> 'thread');
    return jsonb_build_object('outcome', 'fenced');
  end if;
  v := chat_internal.now();
  if t.finished_at is not null then
    unwritten := 'final';
  elsif p_to is null then
    unwritten := case when patch = '{}' then 'ok' end;
  elsif not chat_internal.may_move(t.status, p_to)
        or (p_to = 'starting' and t.id <> (chat_internal.head(c)).id) then
    unwritten := 'conflict';
  end if;
  if unwritten is not null then
    perform chat_internal.keep_lease(c, p_lease_ms, v);
    return jsonb_build_object('outcome', unwritten, 'turn', chat_internal.turn_json(t));
  end if;
  was := t.status;
  perform chat_internal.patch_conversation(c, t, patch, p_lease_ms, v);
  if patch ? 'handoff' then
    perform chat_internal.add_line(
      t, 'assistant', patch -> 'handoff' ->> 'from', coalesce(patch -> 'handoff' ->> 'said', ''), v, false,
      patch -> 'handoff' ->> 'to');
  end if;
  t := chat_internal.move_turn(t, p_to, patch, p_op, v);
  if patch ? 'handoff' then
    t := chat_internal.choose_again(t, patch ? 'choose', v);
  end if;
  if patch ?| array['failed_choice', 'proven_choice'] then
    breaker := chat_internal.note_breaker(patch, v);
  end if;
  if p_to = 'waiting' then
    t := chat_internal.ask_person(t, patch, v);
  end if;
  if p_to = 'starting' then
    perform chat_internal.add_line(t, 'user', null, t.text, v);
    perform chat_internal.join_waiting(t, v);
    if patch ? 'next_run' then
      perform chat_internal.take_steering(t, patch ->> 'next_run', patch ? 'handoff', v);
    end if;
  elsif t.finished_at is not null then
    perform chat_internal.close_turn(t, was, v);
  end if;
  return chat_internal.hand_over(
    jsonb_build_object('outcome', 'ok', 'turn', chat_internal.turn_json(t) || case
      when breaker is not null then jsonb_build_object('breaker', breaker) else '{}' end),
    t, p_next_owner, p_next_lease_ms, p_op);
end $$;

-- With breakers of which no more was heard for long: models come and go.
create or replace function public.chat_tidy_events(p_slices int) returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
  tomorrow int := (chat_internal.ring_day(chat_internal.now()) + 1) % 8;
begin
  perform chat_internal.count_turns(least(greatest(p_slices, 1), 300));
  delete from public.chat_breakers where ctid in (
    select b.ctid from public.chat_breakers b
    where b.failed_at <= chat_internal.now() - chat_internal.breaker_memory() for update skip locked);
  if exists (select 1 from public.chat_turn_events e where e.day = tomorrow) then
    begin
      perform set_config('lock_timeout', '200ms', true);
      execute format('truncate %I.%I', 'chat_internal', 'turn_events_' || tomorrow);
    exception when lock_not_available then
      null;
    end;
  end if;
  return (
    select jsonb_build_object('outcome', 'ok', 'open', count(*), 'oldest_open_ms', coalesce(
      chat_internal.ms(chat_internal.now() - min(t.created_at)), 0))
    from public.chat_turns t where t.finished_at is null);
end $$;

-- With the breakers as they stand. `open_ms`: 0 where the next turn tries it again, null where it only counts.
create or replace function public.chat_get_statistics(p_window_seconds int, p_bucket_seconds int) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v timestamptz := chat_internal.now();
  since timestamptz := chat_internal.slice_of(v - make_interval(secs => p_window_seconds - p_bucket_seconds),
                                              p_bucket_seconds);
  counted timestamptz := greatest(since, (
    select c.until from chat_internal.turns_counted c where c.seconds = p_bucket_seconds));
begin
  return (
    with shown as (
      select p.at, p.counts from chat_internal.turn_points p
      where p.seconds = p_bucket_seconds and p.at >= since and p.at < counted
      union all
      select p.at, p.counts from chat_internal.points(counted, 'infinity', p_bucket_seconds) p
      union all
      select p.at, p.counts from chat_internal.points(since, 'infinity', null) p)
    select jsonb_build_object(
      'outcome', 'ok', 'since', chat_internal.iso(since), 'now', chat_internal.iso(v),
      'open', (select count(*) from public.chat_turns t where t.finished_at is null),
      'oldest_open_ms', (select chat_internal.ms(v - min(t.created_at)) from public.chat_turns t
                         where t.finished_at is null),
      'breakers', coalesce((
        select jsonb_agg(jsonb_build_object(
          'provider', b.provider, 'model', b.model, 'failures', b.failures, 'code', b.code,
          'failed_at', chat_internal.iso(b.failed_at), 'open_ms', case when b.openings > 0 then
            greatest(chat_internal.ms(greatest(b.opened_until, b.probed_until) - v), 0) end)
          order by b.provider, b.model nulls first)
        from public.chat_breakers b where b.failed_at > v - chat_internal.breaker_memory()), '[]'),
      'buckets', coalesce((
        select jsonb_agg(jsonb_build_object('at', chat_internal.iso(x.at), 'counts', x.counts) order by x.at)
        from shown x), '[]')));
end $$;

create or replace function public.chat_schema_version() returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object('outcome', 'ok', 'version', '20261129000356')
$$;

select chat_internal.restrict_to_service_role('public.chat_schema_version');
