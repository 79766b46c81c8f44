-- What a user may still do to a turn: stop it, and change its text as long as it has not started.

-- The turn with its conversation locked, so that nothing moves it meanwhile; null where the user has none such.
create function chat_internal.lock_turn(p_user uuid, p_turn uuid) returns public.chat_turns
language plpgsql volatile set search_path = '' as $$
declare
  t public.chat_turns;
begin
  perform 1
  from public.chat_turns named
  join public.chat_conversations c on c.user_id = named.user_id and c.id = named.conversation_id
  where named.id = p_turn and named.user_id = p_user for update of c;
  select * into t from public.chat_turns where id = p_turn and user_id = p_user;
  return t;
end $$;

create function public.chat_cancel_turn(p_user uuid, p_turn uuid) returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
  c public.chat_conversations;
  t public.chat_turns := chat_internal.lock_turn(p_user, p_turn);
  v timestamptz := chat_internal.now();
begin
  if t.id is null then
    return jsonb_build_object('outcome', 'not_found');
  end if;
  if t.steered_step is not null and t.finished_at is null then
    -- it is part of what is being answered, and ends with that
    update public.chat_turns set cancel_requested = true, cancel_requested_at = v, updated_at = v
    where id = t.joined_to and not cancel_requested;
  elsif t.status = 'queued' then
    t := chat_internal.end_waiting(t, v);
  elsif t.finished_at is null and not t.cancel_requested then
    update public.chat_turns set cancel_requested = true, cancel_requested_at = v, updated_at = v
    where id = p_turn returning * into t;
  end if;
  select * into c from public.chat_conversations where user_id = p_user and id = t.conversation_id;
  return jsonb_build_object('outcome', 'ok', 'turn', chat_internal.turn_json(t),
                            'active_run', chat_internal.active_run(c));
end $$;

create function public.chat_edit_turn(p_user uuid, p_turn uuid, p_text text, p_op text) returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
  t public.chat_turns := chat_internal.lock_turn(p_user, p_turn);
begin
  if t.id is null then
    return jsonb_build_object('outcome', 'not_found');
  end if;
  if p_op = any (t.ops) then
    return jsonb_build_object('outcome', 'ok', 'turn', chat_internal.turn_json(t));
  end if;
  -- one that went back into the queue has been sent before: its text stands
  if t.status <> 'queued' or t.attempt > 0 or t.joined_to is not null then
    return jsonb_build_object('outcome', 'already_started', 'turn', chat_internal.turn_json(t));
  end if;
  update public.chat_turns set
    text = p_text, ops = chat_internal.remember_op(ops, p_op), updated_at = chat_internal.now()
  where id = p_turn returning * into t;
  if t.seq = 1 then
    update public.chat_conversations set title = chat_internal.title_of(p_text)
    where user_id = p_user and id = t.conversation_id and not renamed;
  end if;
  return jsonb_build_object('outcome', 'ok', 'turn', chat_internal.turn_json(t));
end $$;
