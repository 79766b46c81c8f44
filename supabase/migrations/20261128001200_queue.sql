-- The queue of a conversation: its open turns in the order of service.

-- The turn that is served next or now.
create function chat_internal.head(c public.chat_conversations) returns public.chat_turns
language plpgsql stable set search_path = '' as $$
declare
  h public.chat_turns;
begin
  select t.* into h from public.chat_turns t
  where t.user_id = c.user_id and t.conversation_id = c.id and t.finished_at is null and t.joined_to is null
  order by t.place, t.seq limit 1;
  return h;
end $$;

create function chat_internal.open_turns(p_user uuid, p_conversation uuid) returns bigint
language plpgsql stable set search_path = '' as $$
begin
  return (
    select count(*) from public.chat_turns t
    where t.user_id = p_user and t.conversation_id = p_conversation and t.finished_at is null);
end $$;
