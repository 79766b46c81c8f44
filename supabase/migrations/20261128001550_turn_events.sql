-- What happened to each turn, for the operators: ids, codes and numbers, and never a word of what was said. Triggers
-- write it inside the statements that change a turn, so it costs no call and cannot disagree with the rows.

create sequence chat_internal.turn_event_numbers as bigint;
grant usage on sequence chat_internal.turn_event_numbers to service_role;

-- Days go round in a ring of eight partitions, so that none has to be made in time and a day is given up at once.
create table public.chat_turn_events (
  day             smallint    not null,
  at              timestamptz not null,
  number          bigint      not null default nextval('chat_internal.turn_event_numbers'),
  turn_id         uuid        not null,
  conversation_id uuid        not null,
  name            text        not null,  -- as in logs and streams: `turn.accepted`, `run.conflicted`
  agent           text,
  run_id          text,
  tool            text,
  code            text,   -- of an error, a strategy or a status; of a handoff the agent that control went to
  other_turn_id   uuid,   -- the one it waits behind, was joined to, or was displaced by
  nth             int,    -- how many wait before it; the attempt; conflicts until now, with the end all of them
  ms              bigint, -- how long: the whole turn, a tool, a pause; for a claim, since the answer before it
  waited_ms       bigint, -- these three with the end
  input_tokens    bigint,
  output_tokens   bigint
) partition by list (day);

create index chat_turn_events_by_turn on public.chat_turn_events (turn_id);
create index chat_turn_events_by_time on public.chat_turn_events (at);
create index chat_turn_events_failed on public.chat_turn_events (at) where name = 'turn.failed';
create index chat_turn_events_slow on public.chat_turn_events (at)
  where name in ('turn.completed', 'turn.failed', 'turn.cancelled') and ms >= 30000;

do $$
begin
  for i in 0 .. 7 loop
    execute format('create table %1$I.%2$I partition of public.chat_turn_events for values in (%3$s)',
                   'chat_internal', 'turn_events_' || i, i);
    execute format('revoke all on %I.%I from public, anon, authenticated', 'chat_internal', 'turn_events_' || i);
    execute format('grant select, truncate on %I.%I to service_role', 'chat_internal', 'turn_events_' || i);
  end loop;
end $$;

alter table public.chat_turn_events enable row level security;
revoke all on public.chat_turn_events from public, anon, authenticated, service_role;
grant select, insert, delete on public.chat_turn_events to service_role;

create function chat_internal.ring_day(p_at timestamptz) returns smallint
language sql immutable set search_path = '' as $$
  select (floor(extract(epoch from p_at at time zone 'UTC') / 86400)::bigint % 8)::smallint
$$;

-- What providers and models have chosen is written down only where it looks like a code.
create function chat_internal.as_code(p_text text) returns text
language sql immutable set search_path = '' as $$
  select case when p_text ~ '^[A-Za-z0-9_.:/#-]{1,80}$' then p_text end
$$;

create function chat_internal.note_accepted() returns trigger
language plpgsql volatile set search_path = '' as $$
begin
  insert into public.chat_turn_events (day, at, turn_id, conversation_id, name, agent, code, other_turn_id, nth)
  select (floor(extract(epoch from new.created_at) / 86400)::bigint % 8)::smallint, new.created_at, new.id,
    new.conversation_id, 'turn.accepted',
    new.agent, new.strategy, (array_agg(t.id order by t.place desc, t.seq desc))[1], count(t.id)
  from public.chat_turns t
  where t.user_id = new.user_id and t.conversation_id = new.conversation_id and t.finished_at is null
    and t.joined_to is null and (t.place, t.seq) < (new.place, new.seq);
  return null;
end $$;

-- What a turn without an incident does is noted in small statements, which are cheaper than one for all, and without
-- functions of ours, each of which costs as much as a row.
create function chat_internal.note_change() returns trigger
language plpgsql volatile set search_path = '' as $$
declare
  -- a final turn that is taken out of view keeps the time of its end
  v timestamptz := case when old.finished_at is null then new.updated_at else chat_internal.now() end;
  today smallint := floor(extract(epoch from v) / 86400)::bigint % 8;
begin
  if old.status = 'queued' and new.status = 'starting' then
    insert into public.chat_turn_events (day, at, turn_id, conversation_id, name, agent, nth, ms)
    values (today, v, new.id, new.conversation_id, 'turn.claimed', new.agent, new.attempt, (
      select chat_internal.ms(v - c.answered_at) from public.chat_conversations c
      where c.user_id = new.user_id and c.id = new.conversation_id and new.attempt = 1
        and c.answered_at > new.created_at));
  end if;
  if new.status = 'waiting' or (old.status = 'waiting' and new.status = 'requires_action') then
    insert into public.chat_turn_events (day, at, turn_id, conversation_id, name, agent, ms)
    values (today, v, new.id, new.conversation_id,
            case when new.status = 'waiting' then 'turn.waiting' else 'person.answered' end, new.agent,
            case when old.status = 'waiting' then new.person_ms - old.person_ms end);
  end if;
  if new.runs <> old.runs then
    -- of runs that were asked as tools only the end: they start with their call
    insert into public.chat_turn_events (day, at, turn_id, conversation_id, name, agent, run_id, code, nth, ms)
    select today, case when e.name = 'run.started' and r.ends then coalesce(new.starting_at, v) else v end, new.id,
      new.conversation_id, e.name, r.run ->> 'agent', left(r.run ->> 'run_id', 200),
      case when e.name = 'run.ended' then r.run ->> 'status' end, new.attempt,
      case when e.name = 'run.started' then ceil(extract(epoch from v - new.starting_at) * 1000) end
    from (
      select n.value as run,
        -- one that was found by what it left may have no id
        not n.value ? 'asked_by' and (o.value is null or o.value ->> 'run_id' is distinct from n.value ->> 'run_id')
          as starts,
        n.value ->> 'status' in ('completed', 'failed', 'cancelled', 'incomplete', 'expired')
          and (o.value ->> 'run_id', o.value ->> 'status') is distinct from (n.value ->> 'run_id', n.value ->> 'status')
          as ends
      from jsonb_array_elements(new.runs) with ordinality n
      left join jsonb_array_elements(old.runs) with ordinality o on o.ordinality = n.ordinality
      where n.value is distinct from o.value) r,
      unnest(array[case when r.starts then 'run.started' end, case when r.ends then 'run.ended' end]) e (name)
    where e.name is not null;
  end if;
  if (new.joined_to, new.failures, new.handoffs, new.conflicts, new.cancel_requested, new.superseded_by)
     is distinct from
     (old.joined_to, old.failures, old.handoffs, old.conflicts, old.cancel_requested, old.superseded_by)
     or new.not_before > v then
    insert into public.chat_turn_events (day, at, turn_id, conversation_id, name, agent, run_id, code, other_turn_id,
                                         nth, ms)
    select today, v, new.id, new.conversation_id, e.name, e.agent, left(e.run_id, 200), chat_internal.as_code(e.code),
      e.other, e.nth, e.ms
    from (
      select case when new.strategy = 'steer' then 'turn.steered' else 'turn.joined' end as name,
        new.agent as agent, null as run_id, null as code, new.joined_to as other,
        null::int as nth, null::bigint as ms
      where old.joined_to is null and new.joined_to is not null
      union all
      select 'run.lost', old.agent, null, new.held_up_by, null, new.failures, null
      where new.failures > old.failures and new.status = 'starting'
      union all
      select 'handoff.made', h.value ->> 'from', null, h.value ->> 'to', null, h.ordinality::int, null
      from jsonb_array_elements(new.handoffs) with ordinality h where h.ordinality > jsonb_array_length(old.handoffs)
      union all
      select 'run.conflicted', new.agent, new.blocked_by, null, null, new.conflicts, null
      where new.conflicts > old.conflicts
      union all
      select 'run.deferred', new.agent, null, new.held_up_by, null, new.failures, chat_internal.ms(new.not_before - v)
      where new.status = 'queued' and old.status <> 'queued' and new.not_before > v
      union all
      select 'cancel.requested', new.agent, null, null, null, null, null
      where new.cancel_requested and not old.cancel_requested
      union all
      select 'turn.displaced', new.agent, null, new.superseded_how, new.superseded_by, null, null
      where new.superseded_by is distinct from old.superseded_by and new.superseded_by is not null) e;
  end if;
  if old.finished_at is null and new.finished_at is not null then
    insert into public.chat_turn_events (day, at, turn_id, conversation_id, name, agent, code, other_turn_id, nth, ms,
                                         waited_ms, input_tokens, output_tokens)
    values (today, v, new.id, new.conversation_id, 'turn.' || new.status, new.agent,
      case when new.error is not null then chat_internal.as_code(new.error ->> 'code')
           when new.joined_to is not null then 'joined' end,
      new.joined_to, new.conflicts, ceil(extract(epoch from v - new.created_at) * 1000),
      greatest(ceil(extract(epoch from coalesce(new.first_started_at, v) - new.created_at) * 1000), 0),
      new.input_tokens, new.output_tokens);
  end if;
  return null;
end $$;

create trigger note_accepted after insert on public.chat_turns
  for each row execute function chat_internal.note_accepted();
create trigger note_change after update on public.chat_turns for each row when (
    (old.status, old.joined_to, old.runs, old.handoffs, old.failures, old.conflicts, old.cancel_requested,
     old.superseded_by)
    is distinct from
    (new.status, new.joined_to, new.runs, new.handoffs, new.failures, new.conflicts, new.cancel_requested,
     new.superseded_by))
  execute function chat_internal.note_change();

-- Events go with their turn. One statement for all turns of a conversation that is deleted.
create function chat_internal.forget_events() returns trigger
language plpgsql volatile set search_path = '' as $$
begin
  delete from public.chat_turn_events where turn_id in (select g.id from gone g);
  return null;
end $$;

create trigger forget_events after delete on public.chat_turns referencing old table as gone
  for each statement execute function chat_internal.forget_events();

-- An error that the model is told of has a code in its output, and nothing else of that output is read.
create function chat_internal.note_tool() returns trigger
language plpgsql volatile set search_path = '' as $$
declare
  v timestamptz := coalesce(new.done_at, new.begun_at);
begin
  insert into public.chat_turn_events (day, at, turn_id, conversation_id, name, agent, tool, code, ms)
  select chat_internal.ring_day(v), v, t.id, t.conversation_id,
    case when new.done_at is null then 'tool.called' else 'tool.answered' end, t.agent, chat_internal.as_code(new.name),
    chat_internal.as_code(substring(new.output from '^\{"error": \{"code": "([a-z_]{1,80})"')),
    chat_internal.ms(new.done_at - new.begun_at)
  from public.chat_turns t where t.id = new.turn_id;
  return null;
end $$;

create trigger note_tool_called after insert on public.chat_tool_calls
  for each row execute function chat_internal.note_tool();
create trigger note_tool_answered after update on public.chat_tool_calls
  for each row when (old.done_at is null and new.done_at is not null) execute function chat_internal.note_tool();

-- A thread that its conversation gives up, noted with the turn that is served then, or was served last.
create function chat_internal.note_rotation() returns trigger
language plpgsql volatile set search_path = '' as $$
begin
  insert into public.chat_turn_events (day, at, turn_id, conversation_id, name, agent, code, nth)
  select chat_internal.ring_day(new.ended_at), new.ended_at, t.id, t.conversation_id, 'thread.rotated', t.agent,
    new.ended_because, new.generation
  from public.chat_turns t
  where t.id = coalesce((
    select o.id from public.chat_turns o
    where o.user_id = new.user_id and o.conversation_id = new.conversation_id and o.finished_at is null
      and o.joined_to is null order by o.place, o.seq limit 1), (
    select l.id from public.chat_turns l
    where l.user_id = new.user_id and l.conversation_id = new.conversation_id order by l.seq desc limit 1));
  return null;
end $$;

create trigger note_rotation after update of ended_at on public.chat_threads
  for each row when (old.ended_at is null and new.ended_at is not null
                     and new.ended_because not in ('archived', 'deleted', 'asked'))
  execute function chat_internal.note_rotation();

-- A claim of a turn that another holder had brought further than the queue: its lease had lapsed.
create function chat_internal.note_takeover(t public.chat_turns, p_now timestamptz) returns void
language sql volatile set search_path = '' as $$
  insert into public.chat_turn_events (day, at, turn_id, conversation_id, name, agent, run_id, code, nth)
  values (chat_internal.ring_day(p_now), p_now, t.id, t.conversation_id, 'turn.claimed', t.agent, left(t.run_id, 200),
          t.status, t.attempt)
$$;
