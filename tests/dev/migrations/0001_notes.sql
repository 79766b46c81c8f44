-- A table as the project's own: no role gets anything that is not granted here.
create table public.notes (
  id bigint generated always as identity primary key,
  user_id uuid not null references auth.users (id),
  body text not null,
  meta jsonb not null default '{}',
  created_at timestamptz not null default now()
);
alter table public.notes enable row level security;
grant select on public.notes to authenticated;
grant select, insert on public.notes to service_role;
create policy notes_select_own on public.notes for select to authenticated using ((select auth.uid()) = user_id);
