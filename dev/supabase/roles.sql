-- The request roles and schemas that a hosted Supabase project has before its first migration.

create role anon nologin noinherit;
create role authenticated nologin noinherit;
create role service_role nologin noinherit bypassrls;
create role authenticator login noinherit;
grant anon, authenticated, service_role to authenticator;

-- The Data API logs in as authenticator and takes over the settings of the role that a request is for: service_role has
-- none, so its statements have the login role's eight seconds.
alter role anon set statement_timeout = '3s';
alter role authenticated set statement_timeout = '8s';
alter role authenticator set statement_timeout = '8s';
alter role authenticator set lock_timeout = '8s';

create schema extensions;
grant usage on schema public, extensions to anon, authenticated, service_role;
