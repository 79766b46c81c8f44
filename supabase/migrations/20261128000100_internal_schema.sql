-- A schema that the API does not expose, for the functions that those in public use: the clock, the numbering of
-- leases, how rows are written as JSON. Only service_role may use it. Everything of this service in public begins with
-- `chat_`.

create schema chat_internal;
revoke all on schema chat_internal from public;
grant usage on schema chat_internal to service_role;

-- The single clock of the queue. Leases, deadlines and waits are compared with nothing else: the clocks of instances
-- differ. Tests replace this function.
create function chat_internal.now() returns timestamptz
language sql volatile set search_path = '' as $$
  select pg_catalog.clock_timestamp()
$$;

-- Fencing tokens. One sequence for all conversations, so that a token is never given out twice: not even when a
-- conversation is deleted and its id used again.
create sequence chat_internal.lease_epochs as bigint;
grant usage on sequence chat_internal.lease_epochs to service_role;

create function chat_internal.ms(p_span interval) returns bigint
language sql immutable strict set search_path = '' as $$
  select greatest(0, ceil(extract(epoch from p_span) * 1000))::bigint
$$;

create function chat_internal.span(p_ms bigint) returns interval
language sql immutable strict set search_path = '' as $$
  select make_interval(secs => greatest(p_ms, 0) / 1000.0)
$$;

create function chat_internal.iso(p_at timestamptz) returns text
language sql stable set search_path = '' as $$
  select to_char(p_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
$$;
