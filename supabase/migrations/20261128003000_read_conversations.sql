-- Reading conversations: no locks, the user in every predicate, and nothing counted that the row knows.

create function chat_internal.conversation_json(c public.chat_conversations) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'conversation_id', c.id, 'title', c.title, 'agent', c.active_agent, 'turns', c.next_seq - 1,
    'scope', case when c.scope_kind is not null then
      jsonb_build_object('kind', c.scope_kind, 'key', c.scope_key) end,
    'status', case when c.open_turns > 0 then 'busy' else 'idle' end,
    'messages', c.next_message_seq - 1, 'preview', c.preview, 'read_seq', c.read_seq, 'unread', c.unread,
    'archived', c.archived_at is not null, 'last_message_at', chat_internal.iso(c.last_message_at),
    'created_at', chat_internal.iso(c.created_at), 'updated_at', chat_internal.iso(c.updated_at))
$$;

-- Of a conversation's turns: how many, what they met and took. Those that are still open are counted in `turns` alone.
create function chat_internal.statistics(c public.chat_conversations) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'created_at', chat_internal.iso(c.created_at), 'last_message_at', chat_internal.iso(c.last_message_at),
    'messages', c.next_message_seq - 1, 'turns', c.next_seq - 1, 'runs', c.runs, 'conflicts', c.conflicts,
    'average_wait_ms', c.waited_ms / nullif(c.next_seq - 1 - c.open_turns, 0),
    'input_tokens', c.input_tokens, 'output_tokens', c.output_tokens)
$$;

-- What was typed into a search box as a query over one user's words; its last word may be the beginning of one. Null
-- where it has no word at all.
create function chat_internal.search_of(p_user uuid, p_q text) returns tsquery
language sql immutable set search_path = '' as $$
  select case when numnode(q.words) > 0 then
    (''' ' || p_user::text || '''')::tsquery
      && case when right(q.words::text, 1) = '''' then (q.words::text || ':*')::tsquery else q.words end end
  from (select websearch_to_tsquery('pg_catalog.simple', p_q) as words) q
$$;

create function chat_internal.found_conversations(p_user uuid, p_q text) returns setof uuid
language sql stable set search_path = '' as $$
  select c.id from public.chat_conversations c
  where chat_internal.words_of(c.user_id, c.title) @@ chat_internal.search_of(p_user, p_q)
  union
  select m.conversation_id from public.chat_messages m
  where chat_internal.words_of(m.user_id, m.text) @@ chat_internal.search_of(p_user, p_q)
$$;

-- p_q null: all of them. Planned for what is asked, so that a page is read in the order of its index and no further.
create function public.chat_list_conversations(
  p_user uuid, p_limit int, p_before uuid, p_archived boolean default false, p_q text default null) returns jsonb
language plpgsql stable set search_path = '' set plan_cache_mode = 'force_custom_plan' as $$
begin
  return (
    select jsonb_build_object('outcome', 'ok', 'conversations', coalesce(jsonb_agg(
      chat_internal.conversation_json(page) order by page.updated_at desc, page.id desc), '[]'))
    from (
      select c.* from public.chat_conversations c
      where c.user_id = p_user
        and (c.archived_at is not null) = p_archived
        and (p_q is null or c.id = any (array(select chat_internal.found_conversations(p_user, p_q))))
        and (p_before is null or (c.updated_at, c.id) < (
          select b.updated_at, b.id from public.chat_conversations b where b.user_id = p_user and b.id = p_before))
      order by c.updated_at desc, c.id desc
      limit least(greatest(p_limit, 1), 200)) page);
end $$;

-- With the run that is active now, the thread behind the conversation, and the turns that are open.
create function chat_internal.conversation_detail(c public.chat_conversations) returns jsonb
language sql stable set search_path = '' as $$
  select chat_internal.conversation_json(c) || jsonb_build_object(
    'stats', chat_internal.statistics(c),
    'thread', case when c.thread_id is not null then
      jsonb_build_object('provider', c.thread_provider, 'thread_id', c.thread_id) end,
    'active_run', (
      select jsonb_build_object('run_id', t.run_id, 'turn_id', t.id, 'agent', t.agent, 'status', t.status)
      from public.chat_turns t
      where t.user_id = c.user_id and t.conversation_id = c.id and t.status in ('running', 'requires_action')),
    'open_turns', coalesce((
      select jsonb_agg(chat_internal.turn_json(t) order by t.place, t.seq) from public.chat_turns t
      where t.user_id = c.user_id and t.conversation_id = c.id and t.finished_at is null), '[]'))
$$;

create function public.chat_get_conversation(p_user uuid, p_conversation uuid) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  c public.chat_conversations;
begin
  select * into c from public.chat_conversations where user_id = p_user and id = p_conversation;
  if not found then
    return jsonb_build_object('outcome', 'not_found');
  end if;
  return jsonb_build_object('outcome', 'ok', 'conversation', chat_internal.conversation_detail(c));
end $$;
