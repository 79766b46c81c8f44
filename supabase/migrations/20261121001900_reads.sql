-- Reading: no locks, the user in every predicate, and nothing between "not yours" and "does not exist".

create function internal.claimable(c public.conversations, t public.turns, p_now timestamptz) returns boolean
language sql immutable set search_path = '' as $$
  select t.id is not null
     and (c.lease_owner is null or c.lease_until <= p_now)
     and (t.status <> 'queued' or t.not_before is null or t.not_before <= p_now
          or t.deadline_at <= p_now or t.cancel_requested)
$$;

create function public.get_turn(p_user uuid, p_turn uuid) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  c public.conversations;
  t public.turns;
begin
  select * into t from public.turns where id = p_turn and user_id = p_user;
  if not found then
    return jsonb_build_object('outcome', 'not_found');
  end if;
  select * into c from public.conversations where user_id = p_user and id = t.conversation_id;
  return jsonb_build_object('outcome', 'ok', 'turn', internal.turn_json(t),
                            'claimable', internal.claimable(c, internal.head(c), internal.now()));
end $$;

create function public.list_conversations(p_user uuid, p_limit int, p_before uuid) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object('outcome', 'ok', 'conversations', coalesce(jsonb_agg(
    internal.conversation_json(page) order by page.updated_at desc, page.id desc), '[]'))
  from (
    select c.* from public.conversations c
    where c.user_id = p_user
      and (p_before is null or (c.updated_at, c.id) < (
        select b.updated_at, b.id from public.conversations b where b.user_id = p_user and b.id = p_before))
    order by c.updated_at desc, c.id desc
    limit least(greatest(p_limit, 1), 200)) page
$$;

-- Over all of a conversation's turns: how they ended, what they met, how long people waited for the start and the end.
create function internal.statistics(p_user uuid, p_conversation uuid) returns jsonb
language sql stable set search_path = '' as $$
  with taken as (
    select t.status, t.conflicts,
      internal.ms(coalesce(t.first_started_at, t.finished_at, internal.now()) - t.created_at) as waited_ms,
      case when t.status = 'completed' then internal.ms(t.finished_at - t.created_at) end as duration_ms
    from public.turns t where t.user_id = p_user and t.conversation_id = p_conversation)
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

create function public.get_conversation(p_user uuid, p_conversation uuid) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  c public.conversations;
begin
  select * into c from public.conversations where user_id = p_user and id = p_conversation;
  if not found then
    return jsonb_build_object('outcome', 'not_found');
  end if;
  return jsonb_build_object(
    'outcome', 'ok',
    'conversation', internal.conversation_json(c) || jsonb_build_object(
      'open_turns', coalesce((
        select jsonb_agg(internal.turn_json(t) order by t.place, t.seq) from public.turns t
        where t.user_id = p_user and t.conversation_id = p_conversation and t.finished_at is null), '[]'),
      'statistics', internal.statistics(p_user, p_conversation)));
end $$;

create function public.list_messages(
  p_user uuid, p_conversation uuid, p_after_seq int, p_limit int, p_newest boolean) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  if not exists (select 1 from public.conversations c where c.user_id = p_user and c.id = p_conversation) then
    return jsonb_build_object('outcome', 'not_found');
  end if;
  return (
    select jsonb_build_object('outcome', 'ok', 'messages', coalesce(jsonb_agg(
      internal.message_json(page) order by page.seq), '[]'))
    from (
      (select m.* from public.messages m
       where not p_newest and m.user_id = p_user and m.conversation_id = p_conversation and m.seq > p_after_seq
       order by m.seq limit least(greatest(p_limit, 1), 1000))
      union all
      (select m.* from public.messages m
       where p_newest and m.user_id = p_user and m.conversation_id = p_conversation and m.seq > p_after_seq
       order by m.seq desc limit least(greatest(p_limit, 1), 1000))) page);
end $$;

-- Conversations with open turns that nobody serves, the longest unattended first: for a sweep.
create function public.list_orphans(p_limit int) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object('outcome', 'ok', 'orphans', coalesce(jsonb_agg(jsonb_build_object(
    'user_id', o.user_id, 'conversation_id', o.id) order by o.since), '[]'))
  from (
    select c.user_id, c.id, min(t.updated_at) as since
    from public.turns t
    join public.conversations c on c.user_id = t.user_id and c.id = t.conversation_id
    where t.finished_at is null and internal.claimable(c, internal.head(c), internal.now())
    group by c.user_id, c.id
    order by since
    limit least(greatest(p_limit, 1), 200)) o
$$;

create function public.ping() returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object('outcome', 'ok')
$$;

revoke execute on function public.get_turn(uuid, uuid) from public, anon, authenticated;
grant execute on function public.get_turn(uuid, uuid) to service_role;
revoke execute on function public.list_conversations(uuid, int, uuid) from public, anon, authenticated;
grant execute on function public.list_conversations(uuid, int, uuid) to service_role;
revoke execute on function public.get_conversation(uuid, uuid) from public, anon, authenticated;
grant execute on function public.get_conversation(uuid, uuid) to service_role;
revoke execute on function public.list_messages(uuid, uuid, int, int, boolean) from public, anon, authenticated;
grant execute on function public.list_messages(uuid, uuid, int, int, boolean) to service_role;
revoke execute on function public.list_orphans(int) from public, anon, authenticated;
grant execute on function public.list_orphans(int) to service_role;
revoke execute on function public.ping() from public, anon, authenticated;
grant execute on function public.ping() to service_role;
