-- The next message starts a thread of its own, which the last lines are carried along to.

create function public.chat_rotate_conversation(p_user uuid, p_conversation uuid) returns jsonb
language plpgsql volatile set search_path = '' as $$
begin
  update public.chat_conversations set rotate_asked = true where user_id = p_user and id = p_conversation;
  if not found then
    return jsonb_build_object('outcome', 'not_found');
  end if;
  if not exists (
      select 1 from public.chat_turns t where t.user_id = p_user and t.conversation_id = p_conversation
        and t.status in ('starting', 'running', 'requires_action', 'waiting')) then
    update public.chat_conversations set
      rotate_asked = false, thread_id = null, thread_provider = null, thread_cursor = null
    where user_id = p_user and id = p_conversation;
  end if;
  return jsonb_build_object('outcome', 'ok');
end $$;
