-- The request roles and schemas that a hosted Supabase project has before its first migration.

create role anon nologin noinherit;
create role authenticated nologin noinherit;
create role service_role nologin noinherit bypassrls;
create role authenticator login noinherit;
grant anon, authenticated, service_role to authenticator;

create schema extensions;
grant usage on schema public, extensions to anon, authenticated, service_role;
