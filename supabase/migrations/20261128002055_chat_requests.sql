-- What a chat means that names its messages by ids of its own, as the AI SDK's does: which turn it asks for once more,
-- or has edited. The caller holds the conversation's row lock.

-- The turn that a chat knows by this id: the newest of those with the same message. An answer has its turn's own id, and
-- a message that no chat has named is shown as '<turn>:user'.
create function chat_internal.turn_known_as(c public.chat_conversations, p_id text, p_of_answers boolean) returns uuid
language sql stable set search_path = '' as $$
  select t.id from public.chat_turns t
  where t.user_id = c.user_id and t.conversation_id = c.id and t.text <> ''
    and (t.client_message_id = p_id or t.id = case
      when p_id ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}:user$' then left(p_id, 36)::uuid
      when p_of_answers and p_id ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then p_id::uuid end)
  order by t.seq desc limit 1
$$;

-- The last turn in view.
create function chat_internal.last_turn(c public.chat_conversations) returns public.chat_turns
language sql stable set search_path = '' as $$
  select t.* from public.chat_turns t
  where t.user_id = c.user_id and t.conversation_id = c.id and t.text <> '' and t.superseded_how is distinct from 'edit'
  order by t.place desc, t.seq desc limit 1
$$;

-- The turn whose place a chat's message takes; null: none, it is a new one. p_names is the id that the request names,
-- p_message that of its last message. Where neither is known here the last turn is meant if it asked the same; else the
-- chat asks once more for a message that was never accepted.
create function chat_internal.meant_turn(
  c public.chat_conversations, p_trigger text, p_names text, p_message text, p_text text) returns uuid
language plpgsql stable set search_path = '' as $$
declare
  last public.chat_turns;
begin
  if p_trigger = 'submit-message' then
    return chat_internal.turn_known_as(c, p_names, false);
  end if;
  last := chat_internal.last_turn(c);
  return coalesce(
    chat_internal.turn_known_as(c, p_names, true), chat_internal.turn_known_as(c, p_message, false),
    case when p_text is null or last.text = p_text then last.id end);
end $$;

-- The turn that answers this request already: the same one was sent before, or another tab has asked for the same, and
-- the answer is not over. One that was named by its own id is to be answered anew.
create function chat_internal.under_way_there(
  c public.chat_conversations, p_meant uuid, p_trigger text, p_names text, p_text text, p_agent text, p_hash text)
returns public.chat_turns
language sql stable set search_path = '' as $$
  select t.* from public.chat_turns t
  where t.user_id = c.user_id and t.conversation_id = c.id and t.finished_at is null
    and ((t.replaced is not null and t.request_hash = p_hash)
      or (t.id = p_meant and (p_agent is null or p_agent = t.agent) and case p_trigger
            when 'submit-message' then t.text = p_text
            else t.replaced is not null and p_names is distinct from t.id::text end)
      or (t.replaced = p_meant and p_trigger = 'regenerate-message' and (p_agent is null or p_agent = t.agent)
          and t.text = (select m.text from public.chat_turns m where m.id = p_meant)))
  order by t.seq desc limit 1
$$;
