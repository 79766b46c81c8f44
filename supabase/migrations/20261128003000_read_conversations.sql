-- Reading conversations: no locks, the user in every predicate.

create function chat_internal.conversation_json(c public.chat_conversations) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'conversation_id', c.id, 'agent', c.active_agent, 'turns', c.next_seq - 1,
    'scope', case when c.scope_kind is not null then
      jsonb_build_object('kind', c.scope_kind, 'key', c.scope_key) end,
    'status', case when exists (
      select 1 from public.chat_turns t
      where t.user_id = c.user_id and t.conversation_id = c.id and t.finished_at is null) then 'busy' else 'idle' end,
    'created_at', chat_internal.iso(c.created_at), 'updated_at', chat_internal.iso(c.updated_at))
$$;

-- Over all of a conversation's turns: how they ended, what they met, how long people waited for the start and the end.
create function chat_internal.statistics(p_user uuid, p_conversation uuid) returns jsonb
language sql stable set search_path = '' as $$
  with taken as (
    select t.status, t.conflicts,
      chat_internal.ms(coalesce(t.first_started_at, t.finished_at, chat_internal.now()) - t.created_at) as waited_ms,
      case when t.status = 'completed' then chat_internal.ms(t.finished_at - t.created_at) end as duration_ms
    from public.chat_turns t where t.user_id = p_user and t.conversation_id = p_conversation)
  select jsonb_build_object(
    'turns', coalesce((
      select jsonb_object_agg(s.status, s.n) from (select status, count(*) as n from taken group by status) s), '{}'),
    'conflicts', coalesce(sum(conflicts), 0),
    'waited_ms', jsonb_build_object(
      'average', round(avg(waited_ms)), 'p95', round(percentile_cont(0.95) within group (order by waited_ms))),
    'duration_ms', jsonb_build_object(
      'average', round(avg(duration_ms)), 'p95', round(percentile_cont(0.95) within group (order by duration_ms))))
  from taken
$$;

create function public.chat_list_conversations(p_user uuid, p_limit int, p_before uuid) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object('outcome', 'ok', 'conversations', coalesce(jsonb_agg(
    chat_internal.conversation_json(page) order by page.updated_at desc, page.id desc), '[]'))
  from (
    select c.* from public.chat_conversations c
    where c.user_id = p_user
      and (p_before is null or (c.updated_at, c.id) < (
        select b.updated_at, b.id from public.chat_conversations b where b.user_id = p_user and b.id = p_before))
    order by c.updated_at desc, c.id desc
    limit least(greatest(p_limit, 1), 200)) page
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
  return jsonb_build_object(
    'outcome', 'ok',
    'conversation', chat_internal.conversation_json(c) || jsonb_build_object(
      'open_turns', coalesce((
        select jsonb_agg(chat_internal.turn_json(t) order by t.place, t.seq) from public.chat_turns t
        where t.user_id = p_user and t.conversation_id = p_conversation and t.finished_at is null), '[]'),
      'statistics', chat_internal.statistics(p_user, p_conversation)));
end $$;
