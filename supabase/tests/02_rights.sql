-- Browsers get nothing but a list of columns: every table and every function, as anon and as a signed-in user.
begin;
select no_plan();

create function pg_temp.refused(p_role text, p_sql text) returns boolean language plpgsql as $$
begin
  perform set_config('role', p_role, true);
  execute p_sql;
  perform set_config('role', 'none', true);
  return false;
exception when insufficient_privilege then
  perform set_config('role', 'none', true);
  return true;
end $$;

create function pg_temp.call(p_function regprocedure) returns text language sql as $$
  select format('select public.%I(%s)', p.proname, coalesce(
    (select string_agg('null::' || format_type(argument, null), ', ') from unnest(p.proargtypes) argument), ''))
  from pg_proc p where p.oid = p_function
$$;

select is_empty($$
  select p.oid::regprocedure, role from pg_proc p, unnest(array['public', 'anon', 'authenticated']) role
  where p.pronamespace in ('public'::regnamespace, 'chat_internal'::regnamespace)
    and has_function_privilege(role, p.oid, 'execute')
$$, 'no function is a browser''s to execute');

select is_empty($$
  select p.oid::regprocedure from pg_proc p
  where p.pronamespace in ('public'::regnamespace, 'chat_internal'::regnamespace)
    and not has_function_privilege('service_role', p.oid, 'execute')
$$, 'service_role may execute every one');

select ok(pg_temp.refused(role, pg_temp.call(p.oid::regprocedure)), role || ' may not call ' || p.proname)
from pg_proc p, unnest(array['anon', 'authenticated']) role
where p.pronamespace = 'public'::regnamespace order by p.proname, role;

select ok(not pg_temp.refused('service_role', pg_temp.call(p.oid::regprocedure)), 'service_role may call ' || p.proname)
from pg_proc p where p.pronamespace = 'public'::regnamespace and p.proname <> 'chat_submit_turn'
order by p.proname;

select ok(pg_temp.refused(role, format(statement, relname)), role || ' may not: ' || format(statement, relname))
from pg_class, unnest(array['anon', 'authenticated']) role, unnest(array[
  'select * from public.%I', 'insert into public.%I default values', 'delete from public.%I',
  'truncate public.%I cascade']) statement
where relnamespace = 'public'::regnamespace and relkind = 'r'
  -- no column of these is secret
  and not (relname in ('chat_messages', 'chat_projects', 'chat_feedback') and role = 'authenticated'
           and statement like 'select%')
  -- which people write themselves: 07_feedback.sql
  and not (relname = 'chat_feedback' and role = 'authenticated' and statement not like 'truncate%')
order by relname, role, statement;

select ok(pg_temp.refused(role, format('update public.%I set %I = null', c.relname, a.attname)),
          format('%s may not update %s.%s', role, c.relname, a.attname))
from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0,
     unnest(array['anon', 'authenticated']) role
where c.relnamespace = 'public'::regnamespace and c.relkind = 'r'
  and not (c.relname = 'chat_feedback' and role = 'authenticated'
           and a.attname in ('turn_id', 'conversation_id', 'good', 'comment'))
order by c.relname, a.attname, role;

select is_empty($$
  select relname, right_name from pg_class, unnest(array['select', 'insert', 'update', 'delete']) right_name
  where relnamespace = 'public'::regnamespace and relkind = 'r'
    and not has_table_privilege('service_role', pg_class.oid, right_name)
$$, 'service_role may read and write every table');

select is_empty($$
  select relname, role, right_name
  from pg_class, unnest(array['anon', 'authenticated', 'service_role']) role,
       unnest(array['truncate', 'references', 'trigger']) right_name
  where relnamespace = 'public'::regnamespace and relkind = 'r'
    and has_table_privilege(role, pg_class.oid, right_name)
$$, 'none of them may empty a table past its triggers, refer to one or put a trigger on it');

select is_empty($$
  select relname from pg_class, unnest(array['public', 'anon', 'authenticated']) role
  where relnamespace in ('public'::regnamespace, 'chat_internal'::regnamespace) and relkind in ('v', 'm', 'S', 'f')
    and case when relkind = 'S' then has_sequence_privilege(role, pg_class.oid, 'usage, select, update')
        else has_table_privilege(role, pg_class.oid, 'select, insert, update, delete') end
$$, 'no view and no sequence is a browser''s');

select ok(pg_temp.refused(role, 'select chat_internal.now()'), role || ' may not enter the internal schema')
from unnest(array['anon', 'authenticated']) role;

-- exactly the columns that are a user's to know
select is(jsonb_object_agg(relname, columns), jsonb_build_object(
  'chat_agents', 'id owner_id slug name description handoffs as_tool is_default created_at',
  'chat_conversations', 'user_id id scope_kind scope_key title active_agent '
    'preview read_seq unread archived_at last_message_at created_at updated_at',
  'chat_feedback', 'turn_id user_id conversation_id good comment created_at',
  'chat_images', 'user_id id turn_id media_type created_at',
  'chat_messages',
    'id user_id conversation_id seq turn_id turn_seq role agent part handoff_to text partial created_at',
  'chat_person_calls',
    'turn_id call_id user_id number kind name arguments status asked_at expires_at answered_at',
  'chat_projects', 'user_id conversation_id title script scenes updated_at',
  'chat_tool_calls', 'turn_id call_id user_id name status begun_at done_at',
  'chat_turns',
    'id user_id conversation_id seq status text agent strategy metadata conflicts runs handoffs input_tokens '
    'output_tokens cancel_requested superseded_by replaced client_message_id joined_to reply error first_started_at created_at updated_at finished_at'),
  'signed-in users see these columns')
from (
  select c.relname, string_agg(a.attname, ' ' order by a.attnum) as columns
  from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0
  where c.relnamespace = 'public'::regnamespace and c.relkind = 'r'
    and has_column_privilege('authenticated', c.oid, a.attnum, 'select')
  group by c.relname) granted;

select is_empty($$
  select c.relname, a.attname
  from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0
  where c.relnamespace = 'public'::regnamespace and c.relkind = 'r'
    and has_column_privilege('anon', c.oid, a.attnum, 'select, insert, update, references')
$$, 'anon sees none');

select * from finish();
rollback;
