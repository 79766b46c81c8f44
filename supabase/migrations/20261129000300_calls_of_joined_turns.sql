-- A message that was joined to another turn shares its run, and so the calls of that run that wait for the user: it waits,
-- shows them, and takes an answer to them.

-- Turns are joined within a conversation only, so its user is the same one.
create function chat_internal.lead_of(t public.chat_turns) returns public.chat_turns
language plpgsql stable set search_path = '' as $$
declare
  lead public.chat_turns := t;
begin
  if t.joined_to is not null then
    select * into lead from public.chat_turns l where l.id = t.joined_to;
  end if;
  return lead;
end $$;

create or replace function chat_internal.waiting_calls(t public.chat_turns) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  lead public.chat_turns;
begin
  if t.finished_at is not null then
    return '[]'::jsonb;
  end if;
  lead := chat_internal.lead_of(t);
  if lead.status is distinct from 'waiting' then
    return '[]'::jsonb;
  end if;
  return coalesce((
    select jsonb_agg(jsonb_build_object(
      'call_id', k.call_id, 'kind', k.kind, 'name', k.name, 'arguments', k.arguments,
      'expires_at', chat_internal.iso(k.expires_at)) order by k.number)
    from public.chat_person_calls k where k.turn_id = lead.id and k.status = 'waiting'), '[]');
end $$;

create or replace function public.chat_answer_call(
  p_user uuid, p_turn uuid, p_call text, p_approve boolean, p_reason text, p_output text, p_op text) returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
  named public.chat_turns := chat_internal.lock_turn(p_user, p_turn);
  t public.chat_turns := chat_internal.lead_of(named);
  k public.chat_person_calls;
  v timestamptz := chat_internal.now();
begin
  select * into k from public.chat_person_calls where turn_id = t.id and call_id = chat_internal.call_key(p_call);
  if not found then
    return jsonb_build_object('outcome', 'not_found');
  end if;
  t := chat_internal.expire_calls(t, v);
  if k.op is distinct from p_op then
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
  end if;
  return jsonb_build_object('outcome', 'ok',
                            'turn', chat_internal.turn_json(case when named.id = t.id then t else named end));
end $$;
