-- What a hosted Supabase project has besides its roles, as far as migrations and policies lean on it: users, and who
-- the request is from. The local Supabase brings the vendor's own; a plain Postgres in tests gets this.

create schema auth;
grant usage on schema auth to anon, authenticated, service_role;

create table auth.users (
  id uuid primary key default gen_random_uuid(),
  aud text not null default 'authenticated',
  role text not null default 'authenticated',
  email text unique,
  raw_app_meta_data jsonb not null default '{}',
  raw_user_meta_data jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
alter table auth.users enable row level security;

create function auth.jwt() returns jsonb
language sql stable set search_path = '' as $$
  select nullif(current_setting('request.jwt.claims', true), '')::jsonb
$$;

create function auth.uid() returns uuid
language sql stable set search_path = '' as $$
  select (auth.jwt() ->> 'sub')::uuid
$$;

create function auth.role() returns text
language sql stable set search_path = '' as $$
  select auth.jwt() ->> 'role'
$$;
