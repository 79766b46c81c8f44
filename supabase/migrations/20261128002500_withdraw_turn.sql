-- Take back a turn that never had a run, as if it had not been sent: what strategy `reject` promises when the conflict
-- shows only at the provider. A row with turns behind it stays, cancelled and empty, so that `seq` keeps no gap.

create function public.chat_withdraw_turn(p_user uuid, p_conversation uuid, p_turn uuid, p_epoch bigint) returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
  c public.chat_conversations;
  t public.chat_turns;
  v timestamptz;
begin
  select * into c from public.chat_conversations where user_id = p_user and id = p_conversation for update;
  if not found then
    return jsonb_build_object('outcome', 'ok');  -- it went with its only turn
  end if;
  select * into t from public.chat_turns where id = p_turn;  -- by its id alone, as in chat_advance_turn
  if not found or t.user_id <> p_user or t.conversation_id <> p_conversation
     or (t.status = 'cancelled' and t.text = '') then
    return jsonb_build_object('outcome', 'ok');
  end if;
  if c.lease_epoch <> p_epoch then
    return jsonb_build_object('outcome', 'fenced');
  end if;
  if t.finished_at is not null or t.runs <> '[]' then
    return jsonb_build_object('outcome', 'conflict');
  end if;
  perform chat_internal.take_back_lines(t);
  if t.seq = c.next_seq - 1 then
    delete from public.chat_turns where id = t.id;
    if t.seq = 1 then
      delete from public.chat_conversations where user_id = p_user and id = p_conversation;
    else
      update public.chat_conversations set next_seq = next_seq - 1, open_turns = open_turns - 1
      where user_id = p_user and id = p_conversation;
    end if;
  else
    v := chat_internal.now();
    update public.chat_turns set
      status = 'cancelled', text = '', idempotency_key = null, superseded_by = null, superseded_how = null,
      finished_at = v, updated_at = v
    where id = t.id returning * into t;
    update public.chat_conversations set
      open_turns = open_turns - 1,
      title = case when renamed or t.seq > 1 then title else coalesce((
        select chat_internal.title_of(n.text) from public.chat_turns n
        where n.user_id = p_user and n.conversation_id = p_conversation and n.text <> '' order by n.seq limit 1), '?')
        end
    where user_id = p_user and id = p_conversation;
    perform chat_internal.close_joined(t, v);
  end if;
  return jsonb_build_object('outcome', 'ok');
end $$;
