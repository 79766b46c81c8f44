-- What the end of a turn does beyond its row. The caller holds the conversation's row lock.

-- What had been said by a turn that ends without a reply: providers refuse a message without anything to be seen in it.
create function chat_internal.partial_text(p_partial text) returns jsonb
language sql immutable set search_path = '' as $$
  select case when p_partial ~ '\S' then jsonb_build_object('partial_text', p_partial) else '{}' end
$$;

-- The error of a turn that another one displaced.
create function chat_internal.superseded(t public.chat_turns, p_partial text) returns jsonb
language sql immutable set search_path = '' as $$
  select jsonb_build_object('code', 'superseded', 'superseded_by', t.superseded_by)
    || chat_internal.partial_text(p_partial)
$$;

-- The error of a turn that its user cancelled.
create function chat_internal.cancelled(p_partial text) returns jsonb
language sql immutable set search_path = '' as $$
  select jsonb_build_object('code', 'cancelled') || chat_internal.partial_text(p_partial)
$$;

-- What the end of a turn means for its conversation: the agent that spoke last answers the next message, and the
-- transcript shows what was said.
create function chat_internal.close_turn(t public.chat_turns, p_from text, p_now timestamptz)
returns void
language plpgsql volatile set search_path = '' as $$
declare
  speaker text := coalesce((
    select run.value ->> 'agent' from jsonb_array_elements(t.runs) with ordinality run
    where not run.value ? 'asked_by' order by run.ordinality desc limit 1), t.agent);
  -- whether the thread is in no use any more: the one that is being answered ends behind one that only waited
  rests boolean := p_from <> 'queued' or not exists (
    select 1 from public.chat_turns o where o.user_id = t.user_id and o.conversation_id = t.conversation_id
      and o.status in ('starting', 'running', 'requires_action', 'waiting'));
begin
  perform chat_internal.deny_calls(t, 'denied', 'The user went on without this call.', p_now);
  update public.chat_conversations set
    updated_at = p_now,
    last_message_at = case when t.status = 'completed' then p_now else last_message_at end,  -- with its line, below
    -- closed for messages: its thread goes with each turn that was accepted before, and so with the last of them
    thread_id = case when not rests or (archived_at is null and not rotate_asked) then thread_id end,
    thread_provider = case when not rests or (archived_at is null and not rotate_asked) then thread_provider end,
    thread_cursor = case when not rests or (archived_at is null and not rotate_asked) then thread_cursor end,
    rotate_asked = rotate_asked and not rests,
    open_turns = open_turns - 1,
    runs = runs + jsonb_array_length(t.runs),
    conflicts = conflicts + t.conflicts,
    waited_ms = waited_ms + chat_internal.ms(coalesce(t.first_started_at, p_now) - t.created_at),
    input_tokens = input_tokens + t.input_tokens,
    output_tokens = output_tokens + t.output_tokens,
    answered_at = case when t.status = 'completed' then p_now else answered_at end,
    active_agent = case
      when t.status = 'completed' then speaker
      -- what was said stands, and with it that control has moved
      when t.status = 'cancelled' and t.handoffs <> '[]' and coalesce(t.superseded_how, 'interrupt') = 'interrupt'
        then t.agent
      else active_agent end
  where user_id = t.user_id and id = t.conversation_id;
  if t.status = 'completed' then
    perform chat_internal.add_line(t, 'assistant', speaker, t.reply, p_now);
  elsif t.superseded_how = 'rollback' or (
      t.status = 'cancelled' and t.superseded_by is null and p_from = 'queued' and t.runs = '[]'
      and t.joined_to is null) then
    perform chat_internal.take_back_lines(t);
  elsif t.joined_to is null and t.superseded_how is distinct from 'edit' then
    perform chat_internal.add_line(t, 'user', null, t.text, p_now);
    if t.status = 'cancelled' and t.superseded_by is null then
      perform chat_internal.take_back_lines(t, true);  -- the others are asked again, without it
    end if;
    if t.error ->> 'partial_text' is not null then
      perform chat_internal.add_line(t, 'assistant', speaker, t.error ->> 'partial_text', p_now, true);
    end if;
  end if;
  perform chat_internal.close_joined(t, p_now);
end $$;

-- A turn that waits can be ended at once: every create is preceded by a write that a final turn refuses, so its holder,
-- if it has one, can start nothing any more.
create function chat_internal.end_waiting(t public.chat_turns, p_now timestamptz) returns public.chat_turns
language plpgsql volatile set search_path = '' as $$
begin
  update public.chat_turns set
    status = 'cancelled', cancel_requested = true, cancel_requested_at = coalesce(cancel_requested_at, p_now),
    finished_at = p_now, updated_at = p_now,
    error = case when superseded_by is not null then chat_internal.superseded(t, null) end
  where id = t.id returning * into t;
  perform chat_internal.close_turn(t, 'queued', p_now);
  if t.superseded_how = 'rollback' and t.attempt > 0 then
    -- an attempt that was refused may have left its message behind
    update public.chat_conversations set thread_id = null, thread_provider = null, thread_cursor = null
    where user_id = t.user_id and id = t.conversation_id;
  end if;
  return t;
end $$;
