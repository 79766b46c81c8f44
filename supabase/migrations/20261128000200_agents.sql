-- The agents that answer. One without an owner is global: it answers every user. A user's own agent goes before a
-- global one of the same slug.

create table public.chat_agents (
  id           uuid        primary key default gen_random_uuid(),
  owner_id     uuid,
  -- models hand over by calling `transfer_to_<slug>`; function names end at 64 characters
  slug         text        not null check (slug ~ '^[a-z0-9]+(_[a-z0-9]+)*$' and length(slug) <= 52),
  name         text        not null check (length(name) between 1 and 100),
  description  text        not null default '' check (length(description) <= 1000),
  provider     text        check (provider in ('responses', 'assistants')),
  model        text        not null check (length(model) between 1 and 200),
  instructions text        not null default '' check (length(instructions) <= 32000),
  assistant_id text        check (length(assistant_id) between 1 and 200),
  assistant_made boolean   not null default false,  -- by us, so that it may be made anew where it was deleted
  tools        text[]      not null default '{}',
  handoffs     text[]      not null default '{}',
  as_tool      boolean     not null default false,
  is_default   boolean     not null default false,
  created_at   timestamptz not null default now(),
  unique nulls not distinct (owner_id, slug),
  check (not is_default or owner_id is null)
);

create index chat_agents_as_tool on public.chat_agents (owner_id) where as_tool;
create unique index chat_agents_one_default on public.chat_agents (is_default) where is_default;
