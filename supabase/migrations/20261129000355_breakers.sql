-- A provider's breaker: after some failures in a row that speak against a provider or a model, and not against a
-- message, the turns of agents with fallbacks begin with the next of them, at every instance. When its time is over one
-- turn at a time tries again, and one success closes it. Which failures count, and after how many it opens, is said by
-- the holder (shared/core/breaker.py); time is measured here, on the one clock.

create table public.chat_breakers (
  id           uuid        primary key default gen_random_uuid(),
  provider     text        not null,            -- the wire, by its own name
  model        text,                            -- null: all of the wire
  by_default   boolean     not null,            -- the wire is the one of PROVIDER, which rows that name none mean
  failures     int         not null,            -- in a row
  openings     int         not null default 0,  -- since the last success; 0: it only counts
  opened_until timestamptz,
  probed_until timestamptz,                     -- until then it is left to the turn that tries
  code         text        not null,            -- of the last failure
  failed_at    timestamptz not null,
  unique nulls not distinct (provider, model)
);

alter table public.chat_breakers enable row level security;
revoke all on public.chat_breakers from public, anon, authenticated, service_role;
grant select, insert, update, delete on public.chat_breakers to service_role;

-- The order in which the choices of a turn's agent are tried, where breakers have changed it; 0 is its row.
alter table public.chat_turns add column choices int[];

-- How long it stays open: half a minute, then twice as long each time, up to ten minutes.
create function chat_internal.breaker_pause(p_openings int) returns interval
language sql immutable set search_path = '' as $$
  select least(interval '30 seconds' * 2 ^ least(p_openings - 1, 10), interval '10 minutes')
$$;

-- Failures further apart are not in a row.
create function chat_internal.breaker_memory() returns interval
language sql immutable set search_path = '' as $$ select interval '1 hour' $$;

-- A moment as a number of microseconds, which comes back exactly.
create function chat_internal.micros(p_at timestamptz) returns bigint
language sql immutable set search_path = '' as $$ select (extract(epoch from p_at) * 1000000)::bigint $$;

-- The breakers that the choices of an agent depend on.
create function chat_internal.breakers_of(a public.chat_agents, p_now timestamptz)
returns table (choice int, provider text, model text, openings int, shut boolean, failed_at timestamptz)
language sql stable set search_path = '' as $$
  select c.choice, b.provider, b.model, b.openings,
    coalesce(b.opened_until > p_now, false) or coalesce(b.probed_until > p_now, false), b.failed_at
  from (
    select 0 as choice, a.provider, a.model
    union all
    select f.ordinality::int, coalesce(f.value ->> 'provider', a.provider), coalesce(f.value ->> 'model', a.model)
    from jsonb_array_elements(a.fallbacks) with ordinality f) c
  join public.chat_breakers b on (b.model is null or b.model = c.model)
    and case when c.provider is null then b.by_default else b.provider = c.provider end
  where b.failed_at > p_now - chat_internal.breaker_memory()
$$;

-- Whether a turn may begin with this choice, none of whose breakers is shut. Where one has been open, the turn tries it
-- for the others, who leave it alone meanwhile: for fifteen seconds, where no more is heard of the turn. No claim waits
-- for a breaker: one that another transaction holds is left to that one.
create function chat_internal.may_try(a public.chat_agents, p_choice int, p_now timestamptz) returns boolean
language plpgsql volatile set search_path = '' as $$
declare
  opened int;
  held public.chat_breakers;
begin
  select count(*) into opened from chat_internal.breakers_of(a, p_now) o where o.choice = p_choice and o.openings > 0;
  for held in
    select b.* from chat_internal.breakers_of(a, p_now) o
    join public.chat_breakers b on b.provider = o.provider and b.model is not distinct from o.model
    where o.choice = p_choice and o.openings > 0
    for update of b skip locked
  loop
    -- as it stands now: it may have been opened, or tried, since it was looked at
    opened := opened - (coalesce(greatest(held.opened_until, held.probed_until) <= p_now, true))::int;
  end loop;
  if opened > 0 then
    return false;
  end if;
  update public.chat_breakers b set probed_until = p_now + interval '15 seconds'
  from chat_internal.breakers_of(a, p_now) o
  where o.choice = p_choice and o.openings > 0 and b.provider = o.provider and b.model is not distinct from o.model;
  return true;
end $$;

-- The order in which the choices of this agent are tried by a turn that begins now: those that are shut last. Null: as
-- they stand, also where all of them are shut, because a breaker fails no turn.
create function chat_internal.choose(p_user uuid, p_agent text, p_now timestamptz) returns int[]
language plpgsql volatile set search_path = '' as $$
declare
  a public.chat_agents;
  shut int[];
  most int;
begin
  if not exists (select 1 from public.chat_breakers) then
    return null;
  end if;
  a := chat_internal.agent_or_default(p_user, p_agent);
  most := jsonb_array_length(a.fallbacks);
  if most = 0 then
    return null;
  end if;
  select coalesce(array_agg(distinct b.choice), '{}') into shut from chat_internal.breakers_of(a, p_now) b where b.shut;
  for choice in 0 .. most loop
    continue when choice = any (shut);
    exit when chat_internal.may_try(a, choice, p_now);
    shut := shut || choice;
  end loop;
  if cardinality(shut) in (0, most + 1) then
    return null;
  end if;
  return array(select n from generate_series(0, most) n order by n = any (shut), n);
end $$;

-- What a failure means for its breaker: {provider, by_default, model, code, open_after}. True where it has opened it.
-- One that comes while it is open was on its way before, and changes nothing of how long.
create function chat_internal.note_failure(p_failure jsonb, p_now timestamptz) returns boolean
language plpgsql volatile set search_path = '' as $$
declare
  b public.chat_breakers;
begin
  insert into public.chat_breakers as old (provider, model, by_default, failures, code, failed_at)
  values (p_failure ->> 'provider', p_failure ->> 'model', (p_failure ->> 'by_default')::boolean, 1,
          p_failure ->> 'code', p_now)
  on conflict (provider, model) do update set
    failures = case when old.failed_at > p_now - chat_internal.breaker_memory() then old.failures + 1 else 1 end,
    openings = case when old.failed_at > p_now - chat_internal.breaker_memory() then old.openings else 0 end,
    by_default = excluded.by_default, code = excluded.code, failed_at = greatest(old.failed_at, excluded.failed_at)
  returning * into b;
  if b.opened_until > p_now or (b.openings = 0 and b.failures < (p_failure ->> 'open_after')::int) then
    return false;
  end if;
  update public.chat_breakers o set
    openings = b.openings + 1, opened_until = p_now + chat_internal.breaker_pause(b.openings + 1), probed_until = null
  where o.provider = b.provider and o.model is not distinct from b.model;
  return true;
end $$;

-- What a success means for the breakers of its choice: {provider, model, failed_us}. True where one was closed that had
-- been open. A failure of which the claim did not know has come since the run was started, and stands.
create function chat_internal.note_success(p_success jsonb) returns boolean
language plpgsql volatile set search_path = '' as $$
declare
  b public.chat_breakers;
  closed boolean := false;
begin
  for b in
    select o.* from public.chat_breakers o
    where (o.model is null or o.model = p_success ->> 'model')
      and case when p_success ->> 'provider' is null then o.by_default else o.provider = p_success ->> 'provider' end
      and chat_internal.micros(o.failed_at) <= (p_success ->> 'failed_us')::bigint
    order by o.provider, o.model nulls first
    for update
  loop
    delete from public.chat_breakers o where o.provider = b.provider and o.model is not distinct from b.model;
    closed := closed or b.openings > 0;
  end loop;
  return closed;
end $$;

-- What a write to a turn does to breakers: `opened`, `closed` or null.
create function chat_internal.note_breaker(p_patch jsonb, p_now timestamptz) returns text
language plpgsql volatile set search_path = '' as $$
begin
  if p_patch ? 'failed_choice' then
    return case when chat_internal.note_failure(p_patch -> 'failed_choice', p_now) then 'opened' end;
  end if;
  return case when chat_internal.note_success(p_patch -> 'proven_choice') then 'closed' end;
end $$;
