-- Adding lines to the transcript, and taking the newest back. The caller holds the conversation's row lock.

create function chat_internal.lines_of(t public.chat_turns) returns setof public.chat_messages
language sql stable set search_path = '' as $$
  select m.* from public.chat_messages m where m.turn_id = t.id
  union all
  select m.* from public.chat_turns j join public.chat_messages m on m.turn_id = j.id
  where j.user_id = t.user_id and j.joined_to = t.id
$$;

-- The beginning of a text on one line, as lists show it.
create function chat_internal.preview(p_text text) returns text
language plpgsql immutable set search_path = '' as $$
begin
  return left(btrim(regexp_replace(left(p_text, 1000), '\s+', ' ', 'g')), 200);
end $$;

-- A conversation is called by the first line of its first message in which there is something.
create function chat_internal.title_of(p_text text) returns text
language sql immutable set search_path = '' as $$
  select coalesce(nullif(chat_internal.preview(substring(p_text from '[^\n]*\S[^\n]*')), ''), '?')
$$;

-- Answers that a user has not read yet.
create function chat_internal.unread(p_user uuid, p_conversation uuid, p_read_seq int) returns int
language sql stable set search_path = '' as $$
  select count(*)::int from public.chat_messages m
  where m.user_id = p_user and m.conversation_id = p_conversation and m.seq > p_read_seq and m.role = 'assistant'
$$;

create function chat_internal.last_preview(c public.chat_conversations) returns text
language sql stable set search_path = '' as $$
  select chat_internal.preview(m.text) from public.chat_messages m
  where m.user_id = c.user_id and m.conversation_id = c.id order by m.seq desc limit 1
$$;

create function chat_internal.add_line(
  t public.chat_turns, p_role text, p_agent text, p_text text, p_now timestamptz, p_partial boolean default false,
  p_handoff_to text default null)
returns void
language plpgsql volatile set search_path = '' as $$
declare
  line int;
  said bigint;
begin
  select count(*) into said from public.chat_messages m where m.turn_id = t.id and m.role = p_role;
  if p_role = 'user' and said > 0 then
    return;
  end if;
  update public.chat_conversations set
    next_message_seq = next_message_seq + 1,
    preview = chat_internal.preview(p_text),
    last_message_at = p_now,
    unread = unread + (p_role = 'assistant')::int
  where user_id = t.user_id and id = t.conversation_id
  returning next_message_seq - 1 into line;
  insert into public.chat_messages (
    user_id, conversation_id, seq, turn_id, turn_seq, role, agent, part, handoff_to, text, partial, created_at)
  values (
    t.user_id, t.conversation_id, line, t.id, t.seq, p_role, p_agent, said, p_handoff_to, p_text, p_partial, p_now);
end $$;

-- The lines of a turn and of those joined to it, or only of those joined as it began. Turns are served one at a time, so their
-- lines are the newest; where they are not, they stay, because `seq` keeps no gap.
create function chat_internal.take_back_lines(t public.chat_turns, p_joined_only boolean default false) returns void
language plpgsql volatile set search_path = '' as $$
declare
  lines bigint;
  first int;
  ids uuid[];
begin
  select count(*), min(m.seq), array_agg(m.id) into lines, first, ids
  from chat_internal.lines_of(t) m
  where not p_joined_only
    or (m.turn_id <> t.id and (select j.strategy from public.chat_turns j where j.id = m.turn_id) = 'coalesce');
  if lines > 0 and first + lines = (
      select c.next_message_seq from public.chat_conversations c
      where c.user_id = t.user_id and c.id = t.conversation_id) then
    delete from public.chat_messages where id = any (ids);
    update public.chat_conversations c set
      next_message_seq = first,
      read_seq = least(c.read_seq, first - 1),
      unread = chat_internal.unread(c.user_id, c.id, least(c.read_seq, first - 1)),
      preview = chat_internal.last_preview(c)
    where c.user_id = t.user_id and c.id = t.conversation_id;
  end if;
end $$;
