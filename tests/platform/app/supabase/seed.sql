insert into public.projects (name) values ('a house');
insert into public.agents (slug, phone) values ('orchestrator', '555-0100');
insert into public.messages (project_id, body) select id, 'hello' from public.projects;
