-- A schema that the API does not expose, for the functions that those in public use: the clock, the numbering of
-- leases, how rows are written as JSON. Only service_role may use it. Everything of this service in public begins with
-- `chat_`.
--
-- What every turn calls is written in plpgsql, single expressions too: it keeps its plans for as long as the connection
-- lives. Before Postgres 18 a function in SQL is parsed and planned again by each statement that calls it, which made a
-- turn cost 17 ms of the server instead of 5.

create schema chat_internal;
revoke all on schema chat_internal from public;
grant usage on schema chat_internal to service_role;

-- The single clock of the queue. Leases, deadlines and waits are compared with nothing else: the clocks of instances
-- differ. Tests replace this function.
create function chat_internal.now() returns timestamptz
language plpgsql volatile set search_path = '' as $$
begin
  return pg_catalog.clock_timestamp();
end $$;

-- Fencing tokens. One sequence for all conversations, so that a token is never given out twice: not even when a
-- conversation is deleted and its id used again.
create sequence chat_internal.lease_epochs as bigint;
grant usage on sequence chat_internal.lease_epochs to service_role;

create function chat_internal.ms(p_span interval) returns bigint
language plpgsql immutable strict set search_path = '' as $$
begin
  return greatest(0, ceil(extract(epoch from p_span) * 1000))::bigint;
end $$;

create function chat_internal.span(p_ms bigint) returns interval
language plpgsql immutable strict set search_path = '' as $$
begin
  return make_interval(secs => greatest(p_ms, 0) / 1000.0);
end $$;

create function chat_internal.iso(p_at timestamptz) returns text
language plpgsql stable set search_path = '' as $$
begin
  return to_char(p_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"');
end $$;
