"""Each guard against an attack, how it is taken away, and the test that then has to fail.

`python -m tests.security.guards` takes them away one at a time in a copy of the project and runs the test; given words
choose the guards whose names have them. The numbers are those of the attacks in `ATTACKS`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
SECONDS = 240.0
ATTACKS = {
    1: "another user's wake-ups end the pause before a retry",
    2: "one user takes every place of an instance",
    3: "a run's words are heard by a turn whose run has the same id",
    4: "heads that two servers read differently, or that are kept and read again",
    5: "what follows a request whose framing is refused is served",
    6: "heads that do not end, idle connections, bodies that are not wanted, connections without number",
    7: "asking for health without end",
    8: "a few kilobytes that inflate to gigabytes",
    9: "texts on which a pattern takes the square of their length",
    10: "an id that leads to another path",
    11: "an answer that is kept for a reader that reads nothing",
    12: "a look at a conversation that counts all its turns",
    13: "a provider's words shown where an id or a code belongs",
    14: "a signed claim of another type, and a key that was made a moment ago",
    15: "a number that the database cannot hold",
    16: "an answer that empties or freezes the page, and a page in a stranger's frame",
    17: "settings that give keys away, and an agent that is called like a privileged one",
    18: "requests that one server takes and the next does not",
    19: "an agent of a user's own that costs the operator, or reads what is the operator's",
}


@dataclass(frozen=True)
class Guard:
    """`old` stands in the file once, or as often as it is to be replaced by `new`. The test is a file, or one in it."""

    attack: int
    name: str
    file: str
    old: str
    new: str
    test: str


SECURITY = "tests/security"
OWN_AGENTS, OWN_TESTS = "supabase/migrations/20261128003250_own_agents.sql", "tests/db/test_own_agents.py"
GUARDS = (
    Guard(
        1,
        "wake-ups have a user",
        "shared/instance/wakeups.py",
        "signal = self._signals.pop(conversation, None)",
        "same = [key for key in self._signals if key.conversation_id == conversation.conversation_id]\n"
        "        signal = self._signals.pop(same[0]) if same else None",
        f"{SECURITY}/test_wakeups.py::test_a_wakeup_that_changes_nothing_does_not_end_the_pause_before_a_retry",
    ),
    Guard(
        1,
        "a pause goes on after a wake-up",
        "shared/turn_lease.py",
        "            if self._clock.now() >= until:\n                return\n",
        "            return\n",
        f"{SECURITY}/test_wakeups.py::test_a_wakeup_that_changes_nothing_does_not_end_the_pause_before_a_retry",
    ),
    Guard(
        2,
        "a share of the places",
        "functions/multi_agent_chat/user_shares.py",
        "SHARE = 4",
        "SHARE = 1",
        f"{SECURITY}/test_shares.py::test_a_user_has_at_most_a_quarter_of_an_instance",
    ),
    Guard(
        2,
        "a waiting read ends with its connection",
        "functions/multi_agent_chat/turn_routes.py",
        "while_connected(request, work) if wait else work",
        "work",
        f"{SECURITY}/test_shares.py::test_a_share_is_given_back_by_a_request_whose_client_leaves",
    ),
    Guard(
        2,
        "reads have a rate",
        "functions/multi_agent_chat/dependencies.py",
        "self.shares.count_read(user.id)",
        "pass",
        f"{SECURITY}/test_shares.py::test_reads_have_a_rate_of_their_own",
    ),
    Guard(
        2,
        "the excess is refused before any work",
        "functions/asgi/request_cap.py",
        "if self._inside >= self._most:",
        "if self._inside >= 20 * self._most:",
        f"{SECURITY}/test_overload.py",
    ),
    Guard(
        3,
        "a stream is kept with its turn",
        "shared/providers/streams/open_streams.py",
        "RunKey(turn_id, run_id)",
        'RunKey("", run_id or "")',
        f"{SECURITY}/test_ids_given_twice.py",
    ),
    Guard(
        4,
        "bare LF",
        "functions/asgi/head.py",
        "            _check_bytes(head)\n",
        "",
        f"{SECURITY}/test_bad_requests.py",
    ),
    Guard(
        4,
        "two equal lengths",
        "functions/asgi/head.py",
        "names.count(name) > 1",
        "names.count(name) > 2",
        f"{SECURITY}/test_bad_requests.py",
    ),
    Guard(
        5,
        "length beside chunks",
        "functions/asgi/head.py",
        'if b"transfer-encoding" in names:',
        'if b"never" in names:',
        f"{SECURITY}/test_bad_requests.py",
    ),
    Guard(
        5,
        "a refused connection is closed",
        "functions/asgi/connection.py",
        '            "connection": "close",\n',
        "",
        f"{SECURITY}/test_bad_requests.py",
    ),
    Guard(
        6,
        "a time for the head",
        "functions/asgi/connection.py",
        "self._deadline = self.loop.call_later(HEAD_SECONDS, self._give_up)",
        "self._deadline = self.loop.call_later(3600, self._give_up)",
        f"{SECURITY}/test_connections.py::test_a_head_that_does_not_end_is_given_up",
    ),
    Guard(
        6,
        "a body that is not wanted",
        "functions/asgi/connection.py",
        "            self._lingering.close()  # nothing will read the rest of the body\n",
        "            pass\n",
        f"{SECURITY}/test_connections.py::test_a_body_that_is_not_wanted_is_not_read_for_ever",
    ),
    Guard(
        6,
        "a number of connections",
        "functions/asgi/connection.py",
        "if len(self.connections) > type(self).max_connections:",
        "if len(self.connections) > 1_000_000:",
        f"{SECURITY}/test_connections.py::test_connections_are_bounded",
    ),
    Guard(
        7,
        "health is looked at once in a while",
        "functions/multi_agent_chat/health.py",
        "if self._clock.now() >= self._until:",
        "if self._clock is not None:",
        f"{SECURITY}/test_health.py",
    ),
    Guard(
        7,
        "health is told by a full instance",
        "functions/asgi/gateway.py",
        "if call.path in HEALTH_PATHS:  # the one",
        "if not call.path:  # the one",
        f"{SECURITY}/test_health.py",
    ),
    Guard(
        8,
        "inflated piece by piece",
        "shared/content_encoding.py",
        "inflater.decompress(left, PIECE_BYTES)",
        "inflater.decompress(left)",
        f"{SECURITY}/test_compressed_answers.py",
    ),
    Guard(
        8,
        "no encoding inside another",
        "shared/content_encoding.py",
        "len(named) > 1 or ",
        "",
        f"{SECURITY}/test_compressed_answers.py",
    ),
    Guard(
        9,
        "a bound in each pattern",
        "shared/core/redaction.py",
        r"[\w-]{0,40}(?:api",
        r"[\w-]*(?:api",
        f"{SECURITY}/test_patterns.py",
    ),
    Guard(
        10,
        "no step of a path leads up",
        "shared/providers/text.py",
        ' and _NO_NAMES.isdisjoint(identifier.split("/"))',
        "",
        f"{SECURITY}/test_foreign_words.py",
    ),
    Guard(
        11,
        "a reader that reads nothing is left",
        "functions/asgi/transport.py",
        "        if 0 < self._unwritten <= unwritten:\n            self._transport.abort()\n        elif",
        "        if",
        f"{SECURITY}/test_connections.py::test_an_answer_of_which_nothing_is_read_is_dropped",
    ),
    Guard(
        12,
        "counters instead of a count",
        "supabase/migrations/20261128003000_read_conversations.sql",
        "'runs', c.runs,",
        "'runs', (select count(*) from public.chat_turns t where t.user_id = c.user_id and t.conversation_id = c.id),",
        "tests/db/test_cost.py",
    ),
    Guard(
        13,
        "ids by pattern or as a digest",
        "shared/core/redaction.py",
        "    if _ID.fullmatch(identifier) and redact(identifier) == identifier:",
        "    if identifier:",
        f"{SECURITY}/test_foreign_words.py",
    ),
    Guard(
        13,
        "codes by pattern",
        "shared/core/redaction.py",
        "return code if _CODE.fullmatch(code) and redact(code) == code else UNKNOWN_CODE",
        "return code",
        f"{SECURITY}/test_foreign_words.py",
    ),
    Guard(
        13,
        "secrets masked where it is logged",
        "shared/core/redaction.py",
        '    return _SECRETS.sub("***", text)',
        "    return text",
        f"{SECURITY}/test_foreign_words.py",
    ),
    Guard(
        14,
        "types before membership",
        "shared/auth.py",
        "if not _well_typed(claims):",
        "if not claims:",
        f"{SECURITY}/test_tokens.py",
    ),
    Guard(
        14,
        "one early look for a new key",
        "shared/auth.py",
        "self._clock.now() >= self._unknown_from",
        "self._due()",
        "tests/test_auth.py",
    ),
    Guard(
        14,
        "and no more than one",
        "shared/auth.py",
        "self._unknown_from = self._clock.now() + UNKNOWN_KID_SECONDS",
        "pass",
        "tests/test_auth.py",
    ),
    Guard(
        15,
        "numbers that fit",
        "functions/multi_agent_chat/conversation_routes.py",
        'min(asked["after_seq"], MAX_SEQ)',
        'asked["after_seq"]',
        f"{SECURITY}/test_numbers.py",
    ),
    Guard(
        15,
        "numbers of a body that fit",
        "functions/multi_agent_chat/body_fields.py",
        'min(int(fields["read_seq"]), MAX_SEQ)',
        'int(fields["read_seq"])',
        f"{SECURITY}/test_numbers.py",
    ),
    Guard(
        16,
        "what is drawn as Markdown is bounded",
        "web/src/markdown/limits.ts",
        "  return (\n    block.length",
        "  if (block) return true;\n  return (\n    block.length",
        "tests/web/test_markdown.py::test_no_answer_empties_or_stops_the_page",
    ),
    Guard(
        16,
        "no frame of a stranger",
        "web/public/_headers",
        "frame-ancestors 'none'",
        "frame-ancestors *",
        "tests/web/test_costs.py::test_the_headers_of_static_hosts_say_what_the_page_says",
    ),
    Guard(
        17,
        "a secret that cannot be guessed",
        "shared/settings.py",
        "< _MIN_SECRET_CHARS:",
        "< 1:",
        f"{SECURITY}/test_dangerous_settings.py",
    ),
    Guard(
        17,
        "no keys as plain text",
        "shared/settings.py",
        " and not settings.send_keys_unencrypted and not _is_local(url):",
        " and not url:",
        f"{SECURITY}/test_dangerous_settings.py",
    ),
    Guard(
        17,
        "a slug gives a user's own agent nothing",
        "shared/tools/registry.py",
        "slug = None if agent.owned else agent.slug",
        "slug = agent.slug",
        f"{SECURITY}/test_dangerous_settings.py",
    ),
    Guard(
        19,
        "a user's agent has a model of everybody's",
        OWN_AGENTS,
        "when a.model not in (select model from models)",
        "when false",
        f"{OWN_TESTS}::test_what_is_wrong_or_the_operators_is_refused_by_its_field",
    ),
    Guard(
        19,
        "a user's agent searches no files",
        OWN_AGENTS,
        "where t ->> 'type' = 'file_search'",
        "where false",
        f"{OWN_TESTS}::test_what_is_wrong_or_the_operators_is_refused_by_its_field",
    ),
    Guard(
        19,
        "a user's agent names no server",
        OWN_AGENTS,
        "t where t ->> 'type' = 'mcp'",
        "t where false",
        f"{OWN_TESTS}::test_what_is_wrong_or_the_operators_is_refused_by_its_field",
    ),
    Guard(
        19,
        "fields of a user's agent that are the operator's",
        OWN_AGENTS,
        "'id', 'owner_id', 'provider', 'assistant_id', 'assistant_made', 'is_default', 'version', 'created_at'",
        "'id'",
        f"{OWN_TESTS}::test_what_no_field_of_a_user_names_stays_as_it_is",
    ),
    Guard(
        19,
        "a user's agent is changed by that user",
        OWN_AGENTS,
        "where owner_id = p_user and slug = p_slug for update",
        "where slug = p_slug for update",
        f"{OWN_TESTS}::test_an_agent_is_made_changed_and_removed_by_its_user_alone",
    ),
    Guard(
        18,
        "a whole address as the target",
        "functions/asgi/request_checks.py",
        '_ADDRESS.sub("", path, count=1)',
        "path",
        f"{SECURITY}/test_bad_requests.py",
    ),
    Guard(
        18,
        "leading zeros in a length",
        "functions/asgi/head.py",
        r'_LEADING_ZEROS.sub(rb"\1", length)',
        "length",
        f"{SECURITY}/test_bad_requests.py",
    ),
    Guard(
        18,
        "no other version of HTTP",
        "functions/asgi/head.py",
        "if lines and _OTHER_VERSION.search(lines[0]):",
        "if not lines:",
        f"{SECURITY}/test_bad_requests.py",
    ),
    Guard(
        18,
        "a half-closed connection gets its answer",
        "functions/asgi/connection.py",
        "        self.cycle.keep_alive = False\n        self._client_done.set()\n        return True\n",
        "        return False\n",
        f"{SECURITY}/test_connections.py::test_a_half_closed_connection_gets_its_answer",
    ),
)


def without(guard: Guard, root: Path) -> None:
    """Take the guard away in the copy of the project at `root`."""
    path = root / guard.file
    path.write_text(path.read_text("utf-8").replace(guard.old, guard.new), "utf-8")


def notices(guard: Guard, root: Path) -> bool:
    """Whether its test fails without it. One that does not come to its end in time has noticed as well."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        guard.test,
        "-x",
        "-q",
        "-p",
        "no:rerunfailures",
        "-p",
        "no:cacheprovider",
    ]
    try:
        done = subprocess.run(command, cwd=root, capture_output=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return True
    return done.returncode == 1  # tests were collected and run, and one has failed


def main() -> int:
    chosen = [guard for guard in GUARDS if all(word in f"{guard.attack} {guard.name}" for word in sys.argv[1:])]
    silent = 0
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory) / "copy"
        for guard in chosen:
            shutil.rmtree(root, ignore_errors=True)
            _copy(root)
            without(guard, root)
            began = time.monotonic()
            noticed = notices(guard, root)
            silent += not noticed
            took = f"{time.monotonic() - began:4.0f} s"
            print(f"{'' if noticed else 'SILENT':7}{guard.attack:3} {guard.name:42}{took}  {guard.test}", flush=True)  # noqa: T201
    return 1 if silent else 0


def _copy(root: Path) -> None:
    """What the repository holds, as it is written now; what was installed is shared."""
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, check=True)
    for name in listed.stdout.decode().splitlines():
        if (ROOT / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, root / name)
    for shared in (".venv", ".dev", "web/node_modules"):
        if (ROOT / shared).exists():
            os.symlink(ROOT / shared, root / shared)


if __name__ == "__main__":
    sys.exit(main())
