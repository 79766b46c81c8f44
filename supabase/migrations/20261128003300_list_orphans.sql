-- Conversations with open turns that no instance serves, the longest unattended first, as a sweep needs them: with the
-- last of the open turns, the one after which none is open any more.

create function public.chat_list_orphans(p_limit int) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object('outcome', 'ok', 'orphans', coalesce(jsonb_agg(jsonb_build_object(
    'user_id', o.user_id, 'conversation_id', o.id, 'newest_turn_id', o.newest) order by o.since, o.id), '[]'))
  from (
    select c.user_id, c.id, min(t.updated_at) as since, (array_agg(t.id order by t.place desc, t.seq desc))[1] as newest
    from public.chat_turns t
    join public.chat_conversations c on c.user_id = t.user_id and c.id = t.conversation_id
    where t.finished_at is null and chat_internal.claimable(c, chat_internal.head(c), chat_internal.now())
    group by c.user_id, c.id
    order by since, c.id
    limit least(greatest(p_limit, 1), 1000)) o
$$;
