-- One step of a turn, as a patch: what it changes in the turn and in its conversation. Every key is optional: run
-- {run_id, agent, status}, thread {provider, thread_id, cursor}, forget_thread, reply, structured_at (where the JSON
-- begins in it that was asked for), partial (what a cancelled or displaced turn had said), error, usage {input_tokens,
-- output_tokens}, conflict, blocked_by (the run in the way), held_up_by (a code), count_failure, delay_ms, undisturbed
-- (no other turn could displace this one after all), step {run_id, agent, text, calls, thread_id, handoff}, fallback
-- (which of its agent's goes on), handoff {from, to, reason, task, said}, asked (runs of agents that were asked as
-- tools), draft, person (the calls that wait for one: {call_id, kind, name, arguments}) with person_ms, next_run (with
-- `starting`: a run behind a step, not another attempt; what its agent has said since its last line).

create function chat_internal.may_move(p_from text, p_to text) returns boolean
language plpgsql immutable set search_path = '' as $$
begin
  return case p_from
    when 'queued' then p_to in ('starting', 'failed', 'cancelled')
    -- a step further, one more attempt, back into the queue, or the end; a server may answer a create with any of them
    when 'starting' then true
    when 'running' then true
    when 'requires_action' then true
    when 'waiting' then p_to in ('completed', 'failed', 'cancelled')
    else false end;
end $$;

-- A run is known by its id. One under way whose id is not known stands last and is replaced by what comes next.
create function chat_internal.put_run(p_runs jsonb, p_run jsonb) returns jsonb
language plpgsql immutable set search_path = '' as $$
declare
  n int := jsonb_array_length(p_runs);
begin
  for i in 0 .. n - 1 loop
    if p_runs -> i ->> 'run_id' = p_run ->> 'run_id' then
      return jsonb_set(p_runs, array[i::text], p_run);
    end if;
  end loop;
  if n > 0 and p_runs -> (n - 1) ->> 'run_id' is null
     and p_runs -> (n - 1) ->> 'status' not in ('completed', 'failed', 'cancelled', 'incomplete', 'expired') then
    return jsonb_set(p_runs, array[(n - 1)::text], p_run);
  end if;
  return p_runs || jsonb_build_array(p_run);
end $$;

-- With the lease kept or given up (`keep_lease`), in one write of the row.
create function chat_internal.patch_conversation(
  c public.chat_conversations, t public.chat_turns, p_patch jsonb, p_lease_ms int, p_now timestamptz) returns void
language plpgsql volatile set search_path = '' as $$
begin
  update public.chat_conversations set
    thread_provider = case when p_patch ? 'thread' then p_patch -> 'thread' ->> 'provider'
                           when p_patch ? 'forget_thread' then null else thread_provider end,
    thread_id = case when p_patch ? 'thread' then p_patch -> 'thread' ->> 'thread_id'
                     when p_patch ? 'forget_thread' then null else thread_id end,
    thread_cursor = case when p_patch ? 'thread' then p_patch -> 'thread' ->> 'cursor'
                         when p_patch ? 'forget_thread' then null else thread_cursor end,
    seeded_at = case when p_patch -> 'thread' ->> 'thread_id' <> coalesce(thread_id, '') then p_now
                     else seeded_at end,
    seeded_seq = case when p_patch -> 'thread' ->> 'thread_id' <> coalesce(thread_id, '')
                        then next_message_seq - 1 - (select count(*) from public.chat_messages m where m.turn_id = t.id)
                      else seeded_seq end,
    last_run_id = coalesce(p_patch -> 'run' ->> 'run_id', last_run_id),
    lease_until = case when lease_owner is not null and p_lease_ms > 0
                         then p_now + chat_internal.span(p_lease_ms) end,
    lease_owner = case when p_lease_ms > 0 then lease_owner end
  where user_id = c.user_id and id = c.id;
end $$;

create function chat_internal.move_turn(t public.chat_turns, p_to text, p_patch jsonb, p_op text, p_now timestamptz)
returns public.chat_turns
language plpgsql volatile set search_path = '' as $$
begin
  update public.chat_turns set
    status = coalesce(p_to, status),
    runs = case when p_patch ? 'run' then chat_internal.put_run(runs, p_patch -> 'run') else runs end
           || coalesce(p_patch -> 'asked', '[]'),
    steps = case when p_patch ? 'step' then steps || jsonb_build_array(p_patch -> 'step') else steps end,
    handoffs = case when p_patch ? 'handoff' then handoffs || jsonb_build_array((p_patch -> 'handoff') - 'said')
                    else handoffs end,
    agent = coalesce(p_patch -> 'handoff' ->> 'to', agent),
    fallback = case when p_patch ? 'handoff' then 0 else coalesce((p_patch ->> 'fallback')::int, fallback) end,
    draft = case when p_to is null then coalesce(p_patch ->> 'draft', draft) end,
    run_id = case when p_to in ('starting', 'queued') then null
                  else coalesce(p_patch -> 'run' ->> 'run_id', run_id) end,
    blocked_by = case when p_to is null then blocked_by else p_patch ->> 'blocked_by' end,
    held_up_by = case when p_to is null then held_up_by else p_patch ->> 'held_up_by' end,
    running_at = case when p_to in ('starting', 'queued') then null
                      when coalesce(p_patch -> 'run' ->> 'run_id' <> run_id, running_at is null and p_patch ? 'run')
                        then p_now
                      else running_at end,
    -- the create that led to the first run was sent then: waiting ended there
    first_started_at = case when first_started_at is null and p_patch ? 'run' then starting_at
                            else first_started_at end,
    attempt = attempt + (p_to is not distinct from 'starting')::int,
    run_key = case when p_to = 'starting' then id::text || '.' || (attempt + 1) else run_key end,
    -- the create is sent behind the thread's record: it may still arrive for as long as if the intent were of now
    starting_at = case when p_to = 'starting' or (status = 'starting' and p_to is null and p_patch ? 'thread')
                         then p_now
                       else starting_at end,
    not_before = case when p_to = 'queued' then p_now + chat_internal.span((p_patch ->> 'delay_ms')::bigint) end,
    input_tokens = input_tokens + coalesce((p_patch -> 'usage' ->> 'input_tokens')::bigint, 0),
    output_tokens = output_tokens + coalesce((p_patch -> 'usage' ->> 'output_tokens')::bigint, 0),
    conflicts = conflicts + (p_patch ? 'conflict')::int,
    failures = failures + (p_patch ? 'count_failure')::int,
    reply = case when p_to = 'completed' then p_patch ->> 'reply' end,
    structured_at = case when p_to = 'completed' then (p_patch ->> 'structured_at')::int end,
    error = case when p_to = 'failed' then p_patch -> 'error'
                 when p_to = 'cancelled' and superseded_by is not null
                   then chat_internal.superseded(t, p_patch ->> 'partial')
                 when p_to = 'cancelled' and p_patch ->> 'partial' is not null
                   then chat_internal.cancelled(p_patch ->> 'partial') end,
    -- what came first stands: a turn that was to be displaced and has its outcome was not displaced
    superseded_by = case when p_to in ('completed', 'failed') or p_patch ? 'undisturbed' then null
                         else superseded_by end,
    superseded_how = case when p_to in ('completed', 'failed') or p_patch ? 'undisturbed' then null
                          else superseded_how end,
    cancel_requested = cancel_requested and not p_patch ? 'undisturbed',
    cancel_requested_at = case when not p_patch ? 'undisturbed' then cancel_requested_at end,
    waiting_at = case when p_to is null then waiting_at when p_to = 'waiting' then p_now end,
    waiting_until = case when p_to is null then waiting_until when p_to = 'waiting'
                           then p_now + chat_internal.span((p_patch ->> 'person_ms')::bigint) end,
    finished_at = case when p_to in ('completed', 'failed', 'cancelled') then p_now end,
    ops = chat_internal.remember_op(ops, p_op),
    updated_at = p_now
  where id = t.id
  returning * into t;
  return t;
end $$;

-- The calls that the turn waits for from now on. Where each was answered before, it goes on at once.
create function chat_internal.ask_person(t public.chat_turns, p_patch jsonb, p_now timestamptz)
returns public.chat_turns
language plpgsql volatile set search_path = '' as $$
begin
  insert into public.chat_person_calls (turn_id, call_id, user_id, number, kind, name, arguments, asked_at, expires_at)
  select t.id, chat_internal.call_key(one.value ->> 'call_id'), t.user_id, one.ordinality, one.value ->> 'kind',
         one.value ->> 'name', one.value ->> 'arguments', p_now, t.waiting_until
  from jsonb_array_elements(p_patch -> 'person') with ordinality one
  on conflict do nothing;
  return chat_internal.resume_turn(t, p_now);
end $$;
