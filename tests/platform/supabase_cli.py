"""The real supabase CLI, as a person calls it with a project's database address."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from dev import node
from dev.errors import DevError
from dev.processes import Processes
from tests.platform.hosted import OWNER, Project

PACKAGE = Path(__file__).parent
BINARY = PACKAGE / "node_modules/@supabase/cli-linux-x64/bin/supabase"
_SECONDS = 100.0


@dataclass(frozen=True)
class Finished:
    """A command that has ended: its status, what it printed, and what it said beside that."""

    status: int
    printed: str
    said: str


@dataclass(frozen=True)
class SupabaseCli:
    """`home` keeps its own files."""

    program: str
    home: Path

    def run(self, *arguments: str, checkout: Path, project: Project) -> Finished:
        """Call it in a checkout that has a `supabase/` folder, against one project, as the project's owner."""
        environment = {"HOME": str(self.home), "PATH": os.environ["PATH"]}
        environment |= {"SUPABASE_TELEMETRY_DISABLED": "1", "DO_NOT_TRACK": "1"}
        done = subprocess.run(
            [self.program, *arguments, f"--remote={project.dsn(OWNER)}", "--workdir", str(checkout)],
            env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_SECONDS, check=False,
        )  # fmt: skip
        return Finished(done.returncode, done.stdout, done.stderr)

    def push(self, checkout: Path, project: Project, *flags: str) -> Finished:
        """`db push` into a hosted project, with the question answered that a person is asked before."""
        return self.run("db", "push", "--yes", *flags, checkout=checkout, project=project)


async def installed_cli(home: Path) -> SupabaseCli:
    """The CLI of the version that package.json here names, or on other systems the one on the PATH."""
    async with Processes(print) as processes:
        found = await node.find_node()
        await node.ensure_packages(found, PACKAGE, processes, print, "the supabase CLI (once, some 140 MB)")
    program = shutil.which("supabase") if not BINARY.exists() else str(BINARY)
    if program is None:
        raise DevError("the supabase CLI comes as a binary for Linux on x64 only: on other systems put one on the PATH")
    return SupabaseCli(program, home)
