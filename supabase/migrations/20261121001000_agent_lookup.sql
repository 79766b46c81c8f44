-- Which agent a slug means for a user: the user's own before everybody's.

create function internal.find_agent(p_user uuid, p_slug text) returns public.agents
language sql stable set search_path = '' as $$
  select a.* from public.agents a
  where a.slug = p_slug and (a.owner_id = p_user or a.owner_id is null)
  order by a.owner_id nulls last limit 1
$$;

create function internal.default_agent() returns public.agents
language sql stable set search_path = '' as $$
  select a.* from public.agents a
  where a.owner_id is null
  order by a.is_default desc, a.created_at, a.slug limit 1
$$;

-- Everybody a user may address, one of each slug.
create function internal.agents_of(p_user uuid) returns setof public.agents
language sql stable set search_path = '' as $$
  select distinct on (a.slug) a.* from public.agents a
  where a.owner_id is null or a.owner_id = p_user
  order by a.slug, a.owner_id nulls last
$$;

-- An agent at work, with those it may hand over to and those it may ask.
create function internal.worker_json(p_user uuid, a public.agents) returns jsonb
language sql stable set search_path = '' as $$
  select internal.agent_json(a) || jsonb_build_object('peers', coalesce((
    select jsonb_agg(jsonb_build_object(
      'slug', p.slug, 'name', p.name, 'description', p.description,
      'handoff', p.slug = any (a.handoffs), 'ask', p.as_tool) order by p.slug)
    from (
      select unnest(a.handoffs) as slug
      union
      select t.slug from public.agents t where t.as_tool and (t.owner_id is null or t.owner_id = p_user)) near
    cross join lateral internal.find_agent(p_user, near.slug) p
    where p.slug <> a.slug and (p.as_tool or p.slug = any (a.handoffs))), '[]'))
$$;

-- A turn outlives its agent's row: where that is gone, the default one answers.
create function internal.agent_or_default(p_user uuid, p_slug text) returns public.agents
language plpgsql stable set search_path = '' as $$
declare
  a public.agents;
begin
  a := internal.find_agent(p_user, p_slug);
  if a.id is null then
    a := internal.default_agent();
  end if;
  return a;
end $$;
