-- What providers keep beside threads and is not needed any more, for a sweep to delete there.

-- The longest ended first; and assistants whose maker has not named them for ten minutes, which may have been made.
create function public.chat_list_ended_objects(p_limit int) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v timestamptz := chat_internal.now();
begin
  return (
    select jsonb_build_object('outcome', 'ok', 'objects', coalesce(jsonb_agg(jsonb_build_object(
      'id', o.id, 'kind', o.kind, 'provider', o.provider, 'object_id', o.object_id) order by o.begun_at, o.id), '[]'))
    from (
      select e.* from public.chat_remote_objects e
      where (e.ended_at is not null or (e.object_id is null and e.begun_at <= v - interval '10 minutes'))
        and (e.not_before is null or e.not_before <= v)
        -- a run that was left ends first; one that does not end keeps its response for an hour
        and not exists (
          select 1 from public.chat_left_runs r
          where r.run_id = e.object_id and e.kind = 'response' and r.left_at > v - interval '1 hour')
      order by e.begun_at, e.id limit least(greatest(p_limit, 1), 1000)) o);
end $$;

-- It is deleted at its provider, or was never made.
create function public.chat_drop_object(p_object uuid) returns jsonb
language plpgsql volatile set search_path = '' as $$
begin
  delete from public.chat_remote_objects where id = p_object and (ended_at is not null or object_id is null);
  return jsonb_build_object('outcome', 'ok');
end $$;

-- It is not: again after a minute, then two, four and so on to a day. A call that is repeated counts once.
create function public.chat_defer_object(p_object uuid) returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
  v timestamptz := chat_internal.now();
begin
  update public.chat_remote_objects set failures = failures + 1, not_before = v + chat_internal.back_off(failures)
  where id = p_object and (not_before is null or not_before <= v);
  return jsonb_build_object('outcome', 'ok');
end $$;
