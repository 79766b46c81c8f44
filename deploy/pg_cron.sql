-- Lets the database call the scheduled function, for projects without Cloud Scheduler. Safe to repeat.
--
--     psql "$DATABASE_URL" -v url=https://YOUR_SWEEP_URL/ -f deploy/pg_cron.sql       reads the secret from standard input
--
-- pg_net holds one transaction until every call of a batch has been answered, and the project's webhooks wait behind it.
-- So a call works for five seconds (SWEEP_SECONDS=5 of the scheduled function) and comes every ten.
\set ON_ERROR_STOP on
\set secret `cat`

create extension if not exists pg_cron;
create extension if not exists pg_net;

select count(*) as known from vault.secrets where name = 'multi_agent_chat_maintenance' \gset
\if :known
  select vault.update_secret(id, :'secret') from vault.secrets where name = 'multi_agent_chat_maintenance';
\else
  select vault.create_secret(:'secret', 'multi_agent_chat_maintenance');
\endif

select cron.schedule('multi-agent-chat-sweep', '10 seconds', format($job$
do $do$
declare
  secret text := (select decrypted_secret from vault.decrypted_secrets where name = 'multi_agent_chat_maintenance');
begin
  -- A null header would be dropped, and every call refused without a word anywhere.
  if secret is null then raise exception 'the secret multi_agent_chat_maintenance is not in the vault'; end if;
  perform net.http_post(%L, timeout_milliseconds := 8000, headers := jsonb_build_object(
    'Content-Type', 'application/json', 'Authorization', 'Bearer ' || secret));
end $do$ $job$, :'url'));
