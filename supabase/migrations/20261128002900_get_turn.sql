-- Reading a turn: no locks, and no difference between another user's turn and one that does not exist.

create function public.chat_get_turn(p_user uuid, p_turn uuid) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  c public.chat_conversations;
  t public.chat_turns;
begin
  select * into t from public.chat_turns where id = p_turn and user_id = p_user;
  if not found then
    return jsonb_build_object('outcome', 'not_found');
  end if;
  select * into c from public.chat_conversations where user_id = p_user and id = t.conversation_id;
  return jsonb_build_object('outcome', 'ok', 'turn', chat_internal.turn_json(t),
                            'active_run', chat_internal.active_run(c),
                            'claimable', chat_internal.claimable(c, chat_internal.head(c), chat_internal.now()));
end $$;
