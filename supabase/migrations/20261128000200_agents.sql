-- The agents that answer. One without an owner is global: it answers every user. A user's own agent goes before a
-- global one of the same slug.

-- Functions that the user's browser carries out: [{name, description, parameters}], parameters being a JSON Schema. No
-- name is that of another function of the agent.
create function chat_internal.are_client_tools(p_client_tools jsonb, p_tools text[]) returns boolean
language sql immutable set search_path = '' as $$
  select case when jsonb_typeof(p_client_tools) is distinct from 'array' then false else
    jsonb_array_length(p_client_tools) <= 32
    and (select count(distinct one ->> 'name') = count(*) from jsonb_array_elements(p_client_tools) one)
    and not exists (
      select 1 from jsonb_array_elements(p_client_tools) one
      where not coalesce(case when jsonb_typeof(one) = 'object' then
        (one - array['name', 'description', 'parameters']) = '{}'
        and one ->> 'name' ~ '^[a-zA-Z0-9_-]{1,64}$' and one ->> 'name' !~ '^(transfer_to|ask)_'
        and one ->> 'name' <> all (p_tools)
        and jsonb_typeof(one -> 'description') = 'string' and length(one ->> 'description') <= 1000
        and one -> 'parameters' ->> 'type' = 'object' and length((one -> 'parameters')::text) <= 16000 end, false)) end
$$;

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
  approvals    text[]      not null default '{}' constraint chat_agents_approvals check (approvals <@ tools),
  client_tools jsonb       not null default '[]',
  ask_user     boolean     not null default false,
  as_tool      boolean     not null default false,
  is_default   boolean     not null default false,
  settings     jsonb       not null default '{}',  -- of its model: what these four may hold is said in agent_rows
  output_schema jsonb,                             -- the JSON Schema that its replies have
  hosted_tools jsonb       not null default '[]',  -- tools that the provider carries out
  fallbacks    jsonb       not null default '[]',  -- who answers after a definite failure, in order: {model, provider}
  version      int         not null default 1,     -- raised with every change; every run records it
  created_at   timestamptz not null default now(),
  constraint chat_agents_client_tools check (chat_internal.are_client_tools(client_tools, tools)),
  unique nulls not distinct (owner_id, slug),
  check (not is_default or owner_id is null)
);

create index chat_agents_as_tool on public.chat_agents (owner_id) where as_tool;
create unique index chat_agents_one_default on public.chat_agents (is_default) where is_default;
