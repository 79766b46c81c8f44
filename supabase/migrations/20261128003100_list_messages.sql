-- Reading the transcript, from its beginning or only its newest lines.

create function chat_internal.message_json(m public.chat_messages) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'id', m.id, 'seq', m.seq, 'turn_id', m.turn_id, 'turn_seq', m.turn_seq, 'role', m.role, 'agent', m.agent,
    'text', m.text, 'partial', m.partial, 'handoff_to', m.handoff_to, 'created_at', chat_internal.iso(m.created_at),
    'client_message_id', case when m.role = 'user' then (
      select t.client_message_id from public.chat_turns t where t.id = m.turn_id) end)
$$;

-- Lines between two numbers, neither of them included; with p_newest the last of them.
create function public.chat_list_messages(
  p_user uuid, p_conversation uuid, p_after_seq int, p_limit int, p_newest boolean, p_before_seq int default null)
returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  before_seq int := coalesce(p_before_seq, 2147483647);
begin
  if not exists (select 1 from public.chat_conversations c where c.user_id = p_user and c.id = p_conversation) then
    return jsonb_build_object('outcome', 'not_found');
  end if;
  return (
    select jsonb_build_object('outcome', 'ok', 'messages', coalesce(jsonb_agg(
      chat_internal.message_json(page) order by page.seq), '[]'))
    from (
      (select m.* from public.chat_messages m
       where not p_newest and m.user_id = p_user and m.conversation_id = p_conversation and m.seq > p_after_seq
         and m.seq < before_seq
       order by m.seq limit least(greatest(p_limit, 1), 1000))
      union all
      (select m.* from public.chat_messages m
       where p_newest and m.user_id = p_user and m.conversation_id = p_conversation and m.seq > p_after_seq
         and m.seq < before_seq
       order by m.seq desc limit least(greatest(p_limit, 1), 1000))) page);
end $$;
