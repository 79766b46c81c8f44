-- Runs that were left when their conversation went, for a sweep to end at their provider.

-- The longest left first. Keys that are old enough go by the way.
create function public.chat_list_left_runs(p_limit int) returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
  v timestamptz := chat_internal.now();
begin
  delete from public.chat_deleted_keys where deleted_at <= v - interval '1 day';
  return (
    select jsonb_build_object('outcome', 'ok', 'runs', coalesce(jsonb_agg(jsonb_build_object(
      'id', r.id, 'provider', r.provider, 'thread_id', r.thread_id, 'run_id', r.run_id,
      'turn_id', r.turn_id) order by r.left_at, r.id), '[]'))
    from (
      select l.* from public.chat_left_runs l where l.not_before is null or l.not_before <= v
      order by l.left_at, l.id limit least(greatest(p_limit, 1), 1000)) r);
end $$;

-- It has ended.
create function public.chat_drop_left_run(p_run uuid) returns jsonb
language sql volatile set search_path = '' as $$
  with dropped as (delete from public.chat_left_runs where id = p_run)
  select jsonb_build_object('outcome', 'ok')
$$;

-- It has not: again after a minute, then two, four and so on to a day. A call that is repeated counts once.
create function public.chat_defer_left_run(p_run uuid) returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
  v timestamptz := chat_internal.now();
begin
  update public.chat_left_runs set failures = failures + 1, not_before = v + chat_internal.back_off(failures)
  where id = p_run and (not_before is null or not_before <= v);
  return jsonb_build_object('outcome', 'ok');
end $$;
