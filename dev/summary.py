"""What a person reads when everything is up."""

from __future__ import annotations

import shlex

from dev.cli import Options
from dev.launch import REAL_API, Stack, shown
from dev.supabase_local import DEMO_EMAIL, DEMO_PASSWORD


def summary(stack: Stack, options: Options) -> str:
    """One address to open, and everything else below it."""
    lines = [""]
    if stack.web:
        lines += ["  Everything is up. Open", "", f"      {stack.web}", ""]
    else:
        lines += ["  Everything is up.", ""]
    lines += ["  Or send a message from here:", "", f"      {curl(stack)}", ""]
    if options.openai is None and stack.openai != REAL_API:
        lines.append("  answers    from the emulator (the real API: set OPENAI_API_KEY; another server: --openai URL)")
    else:
        lines.append(f"  answers    from {stack.openai}")
    lines += [f"  function   {' '.join(stack.functions)}", f"  supabase   {stack.supabase}  ({options.db})"]
    lines += [
        f"  demo user  {DEMO_EMAIL}  {DEMO_PASSWORD}",
        f"  its token  in {shown(stack.token_file)}, for twelve hours",
        "",
        "  Ctrl-C stops all of it.",
    ]
    return "\n".join(lines)


def curl(stack: Stack) -> str:
    """A command that works when pasted into a shell."""
    token = f'-H "Authorization: Bearer $(cat {shlex.quote(shown(stack.token_file))})"'
    message = """-H 'Content-Type: application/json' -d '{"message": "Hello"}'"""
    return f"curl {stack.functions[0]} {token} {message}"
