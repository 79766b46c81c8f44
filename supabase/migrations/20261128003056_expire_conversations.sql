-- What a sweep closes and deletes because it is old. Conversations that another transaction has in its hands are left to
-- the next sweep, so that neither waits for the other.

-- p_ttl_ms and p_retention_ms: 0 is never. One with an open turn is not old.
create function public.chat_expire_conversations(p_ttl_ms bigint, p_retention_ms bigint, p_limit int) returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
  c public.chat_conversations;
  v timestamptz := chat_internal.now();
  archived int := 0;
  deleted int := 0;
begin
  for c in
    select o.* from public.chat_conversations o
    where (o.user_id, o.id) in (
        select i.user_id, i.id from public.chat_conversations i
        where i.archived_at is null and i.ttl_ms is null and p_ttl_ms > 0
          and i.last_message_at <= v - chat_internal.span(p_ttl_ms)
        union all
        select i.user_id, i.id from public.chat_conversations i where i.archived_at is null and i.ttl_ms is not null)
      and chat_internal.expired(o, p_ttl_ms, v)
    limit least(greatest(p_limit, 1), 1000) for update skip locked
  loop
    perform chat_internal.archive(c, v);
    archived := archived + 1;
  end loop;
  if p_retention_ms > 0 then
    for c in
      select o.* from public.chat_conversations o
      where (o.user_id, o.id) in (
          select i.user_id, i.id from public.chat_conversations i
          where i.archived_at is null and i.last_message_at <= v - chat_internal.span(p_retention_ms)
          union all
          select i.user_id, i.id from public.chat_conversations i
          where i.archived_at is not null and i.archived_at <= v - chat_internal.span(p_retention_ms))
        and o.open_turns = 0 and greatest(o.last_message_at, o.reopened_at) <= v - chat_internal.span(p_retention_ms)
      limit least(greatest(p_limit, 1), 1000) for update skip locked
    loop
      if pg_try_advisory_xact_lock(hashtextextended('chat_submit_turn ' || c.user_id::text, 0)) then
        perform chat_internal.delete_conversation(c);
        deleted := deleted + 1;
      end if;
    end loop;
  end if;
  return jsonb_build_object('outcome', 'ok', 'archived', archived, 'deleted', deleted);
end $$;
