-- What a person says to a call that waits for one: once, and to no other user's.

-- p_approve: whether a function may run, null for an answer; p_output: the answer. The turn goes on when none of its
-- calls waits any more.
create function public.chat_answer_call(
  p_user uuid, p_turn uuid, p_call text, p_approve boolean, p_reason text, p_output text, p_op text) returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
  t public.chat_turns := chat_internal.lock_turn(p_user, p_turn);
  k public.chat_person_calls;
  v timestamptz := chat_internal.now();
begin
  select * into k from public.chat_person_calls where turn_id = t.id and call_id = chat_internal.call_key(p_call);
  if not found then
    return jsonb_build_object('outcome', 'not_found');
  end if;
  t := chat_internal.expire_calls(t, v);
  if k.op = p_op then
    return jsonb_build_object('outcome', 'ok', 'turn', chat_internal.turn_json(t));
  end if;
  if t.status <> 'waiting' or k.status <> 'waiting' or t.cancel_requested then
    return jsonb_build_object('outcome', 'already_answered');
  end if;
  if (k.kind = 'approval') <> (p_output is null) and not coalesce(not p_approve, false) then
    return jsonb_build_object('outcome', 'wrong_answer');
  end if;
  update public.chat_person_calls set
    status = case when p_approve then 'approved' when p_output is null then 'denied' else 'answered' end,
    op = p_op, answered_at = v
  where turn_id = t.id and call_id = k.call_id;
  if not coalesce(p_approve, false) then
    perform chat_internal.give_output(k, coalesce(p_output, chat_internal.error_output(
      'denied', concat_ws(' ', case when k.kind = 'approval' then 'The user does not allow this call.'
                                    else 'The user does not answer this.' end, 'Reason: ' || p_reason))), v);
  end if;
  t := chat_internal.resume_turn(t, v);
  return jsonb_build_object('outcome', 'ok', 'turn', chat_internal.turn_json(t));
end $$;
