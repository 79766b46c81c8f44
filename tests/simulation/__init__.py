"""The real service on a virtual clock, a real Postgres and a provider that fails in every way: see run.py."""
