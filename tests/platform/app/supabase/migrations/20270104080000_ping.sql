-- Younger than the chat's own migrations are.

create function public.ping() returns text language sql stable set search_path = '' as $$ select 'the app''s own' $$;
revoke execute on function public.ping() from public;
grant execute on function public.ping() to anon, authenticated;
