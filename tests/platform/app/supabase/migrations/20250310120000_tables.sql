-- An app of its own: its tables have the names that a chat would want as well.

create table public.projects (id bigint generated always as identity primary key, name text not null);
create table public.agents (id bigint generated always as identity primary key, slug text unique, phone text);
create table public.messages (
  id bigint generated always as identity primary key,
  project_id bigint not null references public.projects (id),
  body text not null
);
create index messages_by_project on public.messages (project_id);
alter table public.projects enable row level security;
alter table public.agents enable row level security;
alter table public.messages enable row level security;
create policy "everyone" on public.projects for select to authenticated using (true);
create policy "everyone" on public.agents for select to authenticated using (true);
create policy "everyone" on public.messages for select to authenticated using (true);
grant select on public.projects, public.agents, public.messages to authenticated;
