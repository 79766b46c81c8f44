-- Which of these migrations a database has come to: the version of the last one. A later migration ends by replacing
-- this function with one that names its own.

create function public.chat_schema_version() returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object('outcome', 'ok', 'version', '20261128003700')
$$;

select chat_internal.restrict_to_service_role('public.chat_schema_version');
