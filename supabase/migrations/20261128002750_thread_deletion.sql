-- Threads that are not needed any more, for a sweep to delete at their provider.

-- The pause after so many failures: a minute, two, four and so on to a day.
create function chat_internal.back_off(p_failures int) returns interval
language sql immutable set search_path = '' as $$
  select least(interval '1 minute' * 2 ^ least(p_failures, 20), interval '1 day')
$$;

-- The longest ended first, those of asked agents whose turn is over or gone among them. One that is deleted already
-- does no harm: its provider says so.
create function public.chat_list_ended_threads(p_limit int) returns jsonb
language plpgsql volatile set search_path = '' as $$
begin
  with ended as (
    delete from public.chat_scratch_threads s
    where not exists (select 1 from public.chat_turns t where t.id = s.turn_id and t.finished_at is null)
    returning s.provider, s.thread_id, s.created_at)
  insert into public.chat_threads (provider, thread_id, generation, made_at, ended_at, ended_because)
  select e.provider, e.thread_id, 1, min(e.created_at), chat_internal.now(), 'asked' from ended e
  group by e.provider, e.thread_id
  on conflict do nothing;
  return (
    select jsonb_build_object('outcome', 'ok', 'threads', coalesce(jsonb_agg(jsonb_build_object(
      'provider', t.provider, 'thread_id', t.thread_id) order by t.ended_at, t.thread_id), '[]'))
    from (
      select e.* from public.chat_threads e
      where e.ended_at is not null and (e.not_before is null or e.not_before <= chat_internal.now())
        -- a run that was left there ends first; one that does not end keeps its thread for an hour
        and not exists (
          select 1 from public.chat_left_runs r
          where r.thread_id = e.thread_id and r.provider = e.provider
            and r.left_at > chat_internal.now() - interval '1 hour')
      order by e.ended_at, e.thread_id limit least(greatest(p_limit, 1), 1000)) t);
end $$;

-- It is deleted at its provider.
create function public.chat_drop_thread(p_provider text, p_thread text) returns jsonb
language plpgsql volatile set search_path = '' as $$
begin
  delete from public.chat_threads where provider = p_provider and thread_id = p_thread and ended_at is not null;
  return jsonb_build_object('outcome', 'ok');
end $$;

-- Its provider did not delete it: again after a minute, then two, four and so on to a day. A call that is
-- repeated finds it put off already, and counts once.
create function public.chat_defer_thread(p_provider text, p_thread text) returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
  v timestamptz := chat_internal.now();
begin
  update public.chat_threads set
    failures = failures + 1, not_before = v + chat_internal.back_off(failures)
  where provider = p_provider and thread_id = p_thread and ended_at is not null
    and (not_before is null or not_before <= v);
  return jsonb_build_object('outcome', 'ok');
end $$;
