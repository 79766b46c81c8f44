create function public.add_note(p_user_id uuid, p_body text, p_meta jsonb default '{}') returns setof public.notes
language sql set search_path = '' as $$
  insert into public.notes (user_id, body, meta) values (p_user_id, p_body, p_meta) returning *
$$;
revoke execute on function public.add_note from public, anon, authenticated;
grant execute on function public.add_note to service_role;

create function public.refuse() returns void
language plpgsql set search_path = '' as $$
begin
  raise sqlstate 'PT409' using message = 'busy';
end
$$;
