-- The only writer of a turn's state: fenced by the lease's token, compare-and-set on the status, without effect when
-- the same write arrives again.

create function public.chat_advance_turn(
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
  return chat_internal.hand_over(jsonb_build_object('outcome', 'ok', 'turn', chat_internal.turn_json(t)), t,
                                 p_next_owner, p_next_lease_ms, p_op);
end $$;
