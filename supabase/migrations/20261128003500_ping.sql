-- Whether the database answers and these migrations are in it.

create function public.chat_ping() returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object('outcome', 'ok')
$$;
