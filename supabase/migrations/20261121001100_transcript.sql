-- Adding lines to the transcript, and taking the newest one back. The caller holds the conversation's row lock.

create function internal.add_line(t public.turns, p_role text, p_agent text, p_text text, p_now timestamptz)
returns void
language plpgsql volatile set search_path = '' as $$
declare
  line int;
begin
  if exists (select 1 from public.messages m where m.turn_id = t.id and m.role = p_role) then
    return;
  end if;
  update public.conversations set next_message_seq = next_message_seq + 1
  where user_id = t.user_id and id = t.conversation_id
  returning next_message_seq - 1 into line;
  insert into public.messages (user_id, conversation_id, seq, turn_id, turn_seq, role, agent, text, created_at)
  values (t.user_id, t.conversation_id, line, t.id, t.seq, p_role, p_agent, p_text, p_now);
end $$;

-- For a turn that ends without ever having run. Turns are served one at a time, so if it has a line, it is the last.
create function internal.take_back_line(t public.turns) returns void
language plpgsql volatile set search_path = '' as $$
begin
  delete from public.messages m where m.turn_id = t.id and m.role = 'user';
  if found then
    update public.conversations set next_message_seq = next_message_seq - 1
    where user_id = t.user_id and id = t.conversation_id;
  end if;
end $$;
