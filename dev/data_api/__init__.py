"""The Data API of a hosted Supabase project in front of a real Postgres: calls of database functions, done as PostgREST
does them, behind API keys as the hosted gateway reads them.

Written from PostgREST's source, for the differences that a small local Supabase does not show: argument types,
read-only transactions, the login role and its time-outs, one bounded pool, a schema cache that is older than the
database for a while, and an answer with code and status for each of them. A development tool: it has no table routes.
It serves `POST /rest/v1/rpc/{function}` alone; other paths go to the local Supabase behind it, where one is named.
"""
