-- What operators see of all turns: rates and percentiles. Five minutes of events are counted
-- once, when they are over, and hours from those counts: so a day of a million turns is shown as fast as one of a few. How
-- these reads are planned stands in supabase/plans/statistics.txt.

-- `what` of each kind is counted by `key`: a name, a code, an agent, or the bin of a histogram of milliseconds.
create table chat_internal.turn_counts (
  seconds int         not null check (seconds in (300, 3600)),
  at      timestamptz not null,  -- the beginning of the slice
  what    text        not null,
  key     text        not null,
  n       bigint      not null,
  primary key (seconds, at, what, key)
);

-- Until when slices of each length are counted.
create table chat_internal.turns_counted (
  seconds int         primary key,
  until   timestamptz not null
);

-- The same as it is shown, with percentiles in place of histograms: what one point of a curve needs.
create table chat_internal.turn_points (
  seconds int         not null,
  at      timestamptz not null,
  counts  jsonb       not null,
  primary key (seconds, at)
);

grant select, insert, update, delete on chat_internal.turn_counts, chat_internal.turns_counted, chat_internal.turn_points
  to service_role;

create function chat_internal.slice_of(p_at timestamptz, p_seconds int) returns timestamptz
language sql immutable set search_path = '' as $$
  select date_bin(make_interval(secs => p_seconds), p_at, '2000-01-01 00:00:00+00')
$$;

-- Bins of histograms grow by a tenth, so a percentile is told to within five percent of itself.
create function chat_internal.ms_of(p_bin int) returns bigint
language sql immutable strict set search_path = '' as $$
  select case when p_bin = 0 then 0 else round(1.1 ^ (p_bin - 0.5)) end::bigint
$$;

-- What is counted outlives the conversation, so of agents that are a user's own not even the name is kept. What is done
-- with every row is written out: a function of ours costs more there than the row.
create function chat_internal.count_events(p_from timestamptz, p_to timestamptz, p_seconds int)
returns table (at timestamptz, what text, key text, n bigint)
language sql stable set search_path = '' as $$
  with e as materialized (
    select date_bin(make_interval(secs => p_seconds), x.at, '2000-01-01 00:00:00+00') as at, x.name, x.code, x.agent,
      case when x.waited_ms is not null then least(x.nth, 4) end as tries,
      case when x.name not in ('turn.completed', 'turn.claimed') then null when x.ms < 1 then 0
           else 1 + floor(ln(x.ms) / ln(1.1)) end::int as took,
      case when x.waited_ms < 1 then 0 else 1 + floor(ln(x.waited_ms) / ln(1.1)) end::int as waited,
      count(*) as n, sum(x.input_tokens) as input, sum(x.output_tokens) as output
    from public.chat_turn_events x where x.at >= p_from and x.at < p_to
    group by 1, 2, 3, 4, 5, 6, 7),
  ends as materialized (
    select e.*, coalesce(a.slug, 'own') as slug from e
    left join public.chat_agents a on a.slug = e.agent and a.owner_id is null
    where e.name in ('turn.completed', 'turn.failed', 'turn.cancelled'))
  select k.at, k.what, k.key, coalesce(sum(k.n), 0)::bigint from (
    select e.at, 'events' as what, e.name as key, e.n from e
    union all
    select e.at, 'errors', coalesce(e.code, 'unknown'), e.n from ends e where e.name = 'turn.failed'
    union all
    select e.at, 'deferrals', coalesce(e.code, 'unknown'), e.n from e where e.name = 'run.deferred'
    union all
    select e.at, 'conflicted', e.name, e.n from ends e where e.tries > 0
    union all
    select e.at, 'tries', e.tries::text, e.n from ends e where e.tries > 0 and e.name = 'turn.completed'
    union all
    select e.at, m.what, e.slug, m.n from ends e,
      lateral (values ('agent_turns', e.n), ('input_tokens', e.input), ('output_tokens', e.output)) m (what, n)
    where e.code is distinct from 'joined'
    union all
    select e.at, 'waited_ms', e.waited::text, e.n from ends e
    union all
    select e.at, 'answered_ms', e.took::text, e.n from ends e where e.name = 'turn.completed'
    union all
    select e.at, 'handoff_ms', e.took::text, e.n from e where e.name = 'turn.claimed' and e.took is not null) k
  group by 1, 2, 3
$$;

-- Hours where they will do, then slices of five minutes, then the events that are in none yet.
create function chat_internal.counts_between(p_from timestamptz, p_to timestamptz, p_hours boolean)
returns table (at timestamptz, what text, key text, n bigint)
language plpgsql stable set search_path = '' as $$
declare
  slices timestamptz;  -- until when slices are counted
  first timestamptz;   -- the first whole hour
  hours timestamptz;   -- until when hours are counted
begin
  select least(greatest(p_from, c.until), p_to) into slices from chat_internal.turns_counted c where c.seconds = 300;
  slices := coalesce(slices, p_from);
  first := least(chat_internal.slice_of(p_from + interval '1 hour' - interval '1 microsecond', 3600), slices);
  select least(greatest(first, c.until), slices) into hours from chat_internal.turns_counted c
  where c.seconds = 3600 and p_hours;
  hours := coalesce(hours, first);
  return query
    select c.at, c.what, c.key, c.n from chat_internal.turn_counts c
    where c.seconds = 300 and c.at >= p_from and c.at < first
    union all
    select c.at, c.what, c.key, c.n from chat_internal.turn_counts c
    where c.seconds = 3600 and c.at >= first and c.at < hours
    union all
    select c.at, c.what, c.key, c.n from chat_internal.turn_counts c
    where c.seconds = 300 and c.at >= hours and c.at < slices
    union all
    select * from chat_internal.count_events(slices, p_to, 300);
end $$;

-- What was counted in each bucket, as it is shown; under a null `at` all of it, where no length of buckets is given.
create function chat_internal.points(p_from timestamptz, p_to timestamptz, p_bucket_seconds int)
returns table (at timestamptz, counts jsonb)
language sql stable set search_path = '' as $$
  with counted as materialized (
    select date_bin(make_interval(secs => p_bucket_seconds), c.at, '2000-01-01 00:00:00+00') as at, c.what, c.key,
      sum(c.n) as n
    from chat_internal.counts_between(p_from, p_to, coalesce(p_bucket_seconds, 3600) % 3600 = 0) c
    group by 1, 2, 3),
  bins as (
    select c.at, c.what, c.key::int as bin,
      sum(c.n) over (partition by c.at, c.what order by c.key::int) as until,
      sum(c.n) over (partition by c.at, c.what) as total
    from counted c where c.what in ('waited_ms', 'answered_ms', 'handoff_ms')),
  kinds as (
    select b.at, b.what, jsonb_build_object(
      'p50', chat_internal.ms_of(min(b.bin) filter (where b.until >= 0.50 * b.total)),
      'p95', chat_internal.ms_of(min(b.bin) filter (where b.until >= 0.95 * b.total)),
      'p99', chat_internal.ms_of(min(b.bin) filter (where b.until >= 0.99 * b.total))) as value
    from bins b group by b.at, b.what
    union all
    select c.at, c.what, jsonb_object_agg(c.key, c.n) from counted c
    where c.what not in ('waited_ms', 'answered_ms', 'handoff_ms') group by c.at, c.what)
  select k.at, jsonb_object_agg(k.what, k.value) from kinds k group by k.at
$$;

-- Counts what is over, a bounded number of slices a call: a transaction that was begun in a slice may still be writing
-- into it, so the newest two minutes stay uncounted. Gives up what is too old to be shown.
create function chat_internal.count_turns(p_slices int) returns void
language plpgsql volatile set search_path = '' as $$
declare
  v timestamptz := chat_internal.now();
  done timestamptz;
  hour timestamptz;
  shown timestamptz;
begin
  if not pg_try_advisory_xact_lock(hashtextextended('chat_count_turns', 0)) then
    return;
  end if;
  select until into done from chat_internal.turns_counted where seconds = 300;
  for i in 1 .. p_slices loop
    select chat_internal.slice_of(min(e.at), 300) into hour from public.chat_turn_events e where e.at >= coalesce(
      done, '-infinity');
    done := coalesce(greatest(hour, done), done);
    exit when done is null or hour is null or done + interval '7 minutes' > v;
    insert into chat_internal.turn_counts (seconds, at, what, key, n)
    select 300, c.at, c.what, c.key, c.n from chat_internal.count_events(done, done + interval '5 minutes', 300) c;
    done := done + interval '5 minutes';
  end loop;
  if done is null then
    return;
  end if;
  insert into chat_internal.turns_counted (seconds, until) values (300, done)
  on conflict (seconds) do update set until = excluded.until;
  select coalesce(max(p.at) + interval '5 minutes', (
    select min(c.at) from chat_internal.turn_counts c where c.seconds = 300)) into shown
  from chat_internal.turn_points p where p.seconds = 300;
  insert into chat_internal.turn_points (seconds, at, counts)
  select 300, p.at, p.counts from chat_internal.points(shown, done, 300) p;
  select coalesce((select c.until from chat_internal.turns_counted c where c.seconds = 3600), (
    select chat_internal.slice_of(min(c.at), 3600) from chat_internal.turn_counts c where c.seconds = 300)) into hour;
  insert into chat_internal.turn_counts (seconds, at, what, key, n)
  select 3600, date_bin('1 hour', c.at, '2000-01-01 00:00:00+00'), c.what, c.key, sum(c.n)
  from chat_internal.turn_counts c
  where c.seconds = 300 and c.at >= hour and c.at < chat_internal.slice_of(done, 3600)
  group by 2, 3, 4;
  insert into chat_internal.turns_counted (seconds, until)
  select 3600, greatest(hour, chat_internal.slice_of(done, 3600)) where hour is not null
  on conflict (seconds) do update set until = excluded.until;
  insert into chat_internal.turn_points (seconds, at, counts)
  select 3600, p.at, p.counts from chat_internal.points(hour, chat_internal.slice_of(done, 3600), 3600) p;
  delete from chat_internal.turn_counts c
  where (c.seconds = 300 and c.at < v - interval '2 days') or (c.seconds = 3600 and c.at < v - interval '90 days');
  delete from chat_internal.turn_points p
  where (p.seconds = 300 and p.at < v - interval '2 days') or (p.seconds = 3600 and p.at < v - interval '90 days');
end $$;

-- Events are kept for the day that it is and the six before it. What a reader holds up is given up with the next call.
create function public.chat_tidy_events(p_slices int) returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
  tomorrow int := (chat_internal.ring_day(chat_internal.now()) + 1) % 8;
begin
  perform chat_internal.count_turns(least(greatest(p_slices, 1), 300));
  if exists (select 1 from public.chat_turn_events e where e.day = tomorrow) then
    begin
      perform set_config('lock_timeout', '200ms', true);
      execute format('truncate %I.%I', 'chat_internal', 'turn_events_' || tomorrow);
    exception when lock_not_available then
      null;
    end;
  end if;
  return (
    select jsonb_build_object('outcome', 'ok', 'open', count(*), 'oldest_open_ms', coalesce(
      chat_internal.ms(chat_internal.now() - min(t.created_at)), 0))
    from public.chat_turns t where t.finished_at is null);
end $$;

-- The counts of each bucket, and under a null `at` those of the whole window. Buckets begin at multiples of their
-- length.
create function public.chat_get_statistics(p_window_seconds int, p_bucket_seconds int) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v timestamptz := chat_internal.now();
  since timestamptz := chat_internal.slice_of(v - make_interval(secs => p_window_seconds - p_bucket_seconds),
                                              p_bucket_seconds);
  counted timestamptz := greatest(since, (
    select c.until from chat_internal.turns_counted c where c.seconds = p_bucket_seconds));
begin
  return (
    with shown as (
      select p.at, p.counts from chat_internal.turn_points p
      where p.seconds = p_bucket_seconds and p.at >= since and p.at < counted
      union all
      select p.at, p.counts from chat_internal.points(counted, 'infinity', p_bucket_seconds) p
      union all
      select p.at, p.counts from chat_internal.points(since, 'infinity', null) p)
    select jsonb_build_object(
      'outcome', 'ok', 'since', chat_internal.iso(since), 'now', chat_internal.iso(v),
      'open', (select count(*) from public.chat_turns t where t.finished_at is null),
      'oldest_open_ms', (select chat_internal.ms(v - min(t.created_at)) from public.chat_turns t
                         where t.finished_at is null),
      'buckets', coalesce((
        select jsonb_agg(jsonb_build_object('at', chat_internal.iso(x.at), 'counts', x.counts) order by x.at)
        from shown x), '[]')));
end $$;
