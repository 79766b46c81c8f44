"""What a turn's calls cost Postgres itself: `python -m bench.turn_calls`, on the environment's and on an older one.

Processor time of the one server process that answers: three calls and a look at the turn, among twenty conversations.
"""

from __future__ import annotations

import json
import os
import uuid
from contextlib import closing
from pathlib import Path

from bench.figures import Figures
from dev.postgres import apply_sql, postgres
from tests.db.database import MIGRATIONS, SEED, Chat, Database
from tests.platform import checked_postgres

WARM_UP, TURNS, CONVERSATIONS = 40, 400, 20


def main() -> None:
    figures = Figures()
    figures["ms_a_turn"] = _measured(None)
    older = checked_postgres.find()
    if older is not None:
        figures[f"ms_a_turn_on_{older.parent.name}"] = _measured(older)
    figures.show()


def _measured(binaries: Path | None) -> float:
    with postgres(binaries=binaries) as dsn:
        apply_sql(dsn, *MIGRATIONS, SEED)
        with closing(Database(dsn)) as database, database.session() as session:
            chats = [Chat(database) for _ in range(CONVERSATIONS)]
            pid, spent = session.connection.info.backend_pid, 0.0
            for number in range(WARM_UP + TURNS):
                if number == WARM_UP:
                    spent = _seconds(pid)
                chat = chats[number % CONVERSATIONS]
                accepted = chat.submit(session, key=str(uuid.uuid4()))
                turn, epoch = accepted["turn"]["turn_id"], accepted["claim"]["epoch"]
                run = {"run_id": f"resp_{uuid.uuid4().hex}", "agent": "project-manager", "status": "in_progress"}
                thread = {"provider": "responses", "thread_id": f"conv_{chat.conversation}", "cursor": None}
                chat.advance(epoch, turn, "running", json.dumps({"run": run, "thread": thread}), session)
                done = {"run": run | {"status": "completed"}, "thread": thread, "reply": "hello yourself"}
                chat.advance(epoch, turn, "completed", json.dumps(done), session, lease_ms=0)
                session.call("chat_get_turn", user=chat.user, turn=turn)
            return round(1000 * (_seconds(pid) - spent) / TURNS, 2)


def _seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
