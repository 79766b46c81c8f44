-- A turn that waits for a person: its calls, and how it goes on. The caller holds the conversation's row lock.

create function chat_internal.waiting_calls(t public.chat_turns) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  if t.status <> 'waiting' then
    return '[]'::jsonb;
  end if;
  return coalesce((
    select jsonb_agg(jsonb_build_object(
      'call_id', k.call_id, 'kind', k.kind, 'name', k.name, 'arguments', k.arguments,
      'expires_at', chat_internal.iso(k.expires_at)) order by k.number)
    from public.chat_person_calls k where k.turn_id = t.id and k.status = 'waiting'), '[]');
end $$;

-- What a model reads of a call that came to nothing, as the service writes it.
create function chat_internal.error_output(p_code text, p_message text) returns text
language sql immutable set search_path = '' as $$
  select jsonb_build_object('error', jsonb_build_object('code', p_code, 'message', p_message))::text
$$;

-- The output of a call that ran nowhere here.
create function chat_internal.give_output(k public.chat_person_calls, p_output text, p_now timestamptz) returns void
language sql volatile set search_path = '' as $$
  insert into public.chat_tool_calls (turn_id, call_id, user_id, name, op, status, output, begun_at, done_at)
  values (k.turn_id, k.call_id, k.user_id, k.name, 'person', 'done', p_output, k.asked_at, p_now)
  on conflict do nothing
$$;

create function chat_internal.deny_calls(t public.chat_turns, p_code text, p_message text, p_now timestamptz)
returns void
language plpgsql volatile set search_path = '' as $$
declare
  k public.chat_person_calls;
begin
  for k in
    update public.chat_person_calls set status = 'denied', answered_at = p_now
    where turn_id = t.id and status = 'waiting' returning *
  loop
    perform chat_internal.give_output(k, chat_internal.error_output(p_code, p_message), p_now);
  end loop;
end $$;

-- Once none of its calls waits any more it goes on where it stood. The time in between is not its own: neither its
-- deadline nor the budget of its work counts it.
create function chat_internal.resume_turn(t public.chat_turns, p_now timestamptz) returns public.chat_turns
language plpgsql volatile set search_path = '' as $$
begin
  if t.status = 'waiting' and not exists (
      select 1 from public.chat_person_calls k where k.turn_id = t.id and k.status = 'waiting') then
    update public.chat_turns set
      status = 'requires_action',
      deadline_at = deadline_at + (p_now - waiting_at),
      starting_at = starting_at + (p_now - waiting_at),
      running_at = running_at + (p_now - waiting_at),
      person_ms = person_ms + chat_internal.ms(p_now - waiting_at),
      waiting_at = null, waiting_until = null, updated_at = p_now
    where id = t.id returning * into t;
  end if;
  return t;
end $$;

-- A turn whose time to be answered is over counts as denied.
create function chat_internal.expire_calls(t public.chat_turns, p_now timestamptz) returns public.chat_turns
language plpgsql volatile set search_path = '' as $$
begin
  if t.status <> 'waiting' or t.waiting_until > p_now or t.cancel_requested then
    return t;
  end if;
  perform chat_internal.deny_calls(t, 'expired', 'The user did not answer in time.', p_now);
  return chat_internal.resume_turn(t, p_now);
end $$;
