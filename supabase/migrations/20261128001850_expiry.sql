-- A conversation that has had no message for long is closed by its next message, or by a sweep. The caller holds the
-- conversation's row lock.

-- p_ttl_ms: what the settings say; 0 is for ever.
create function chat_internal.expired(c public.chat_conversations, p_ttl_ms bigint, p_now timestamptz) returns boolean
language plpgsql stable set search_path = '' as $$
begin
  return c.archived_at is null and c.open_turns = 0 and coalesce(c.ttl_ms, p_ttl_ms) > 0
     and greatest(c.last_message_at, c.reopened_at) <= p_now - chat_internal.span(coalesce(c.ttl_ms, p_ttl_ms));
end $$;

create function chat_internal.archive(c public.chat_conversations, p_now timestamptz) returns public.chat_conversations
language sql volatile set search_path = '' as $$
  update public.chat_conversations set
    archived_at = p_now, thread_id = null, thread_provider = null, thread_cursor = null
  where user_id = c.user_id and id = c.id
  returning *
$$;
