"""What can go wrong, how often, and the mixtures of it that the tests run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

FREEZE_SECONDS = 40.0  # of the one frozen boundary: longer than a lease and the time to settle


@dataclass(frozen=True, slots=True)
class Network:
    """Shares of the requests to the provider. Reads suffer them at half the rate, and have no effect to lose."""

    refused: float = 0.0  # nothing was sent
    limited: float = 0.0  # 429, with or without Retry-After
    before: float = 0.0  # a 5xx, and nothing happened
    after: float = 0.0  # a 5xx, though it took effect
    lost: float = 0.0  # took effect, the answer never came
    late: float = 0.0  # takes effect only after the caller gave up, within the time to settle
    slow: float = 0.0  # takes effect late, but its caller waits for it still
    very_late: float = 0.0  # takes effect when it is no longer reckoned with: one extra run is allowed


FALLBACKS: tuple[Mapping[str, str], ...] = ({"model": "second"}, {"model": "third"})  # where the first may be refused

# shares of the strategies people send with
PATIENT: Mapping[str, float] = {"enqueue": 0.88, "reject": 0.12}
HASTY: Mapping[str, float] = {"enqueue": 0.35, "reject": 0.05, "interrupt": 0.3, "rollback": 0.3}
STEERING: Mapping[str, float] = {"steer": 0.6, "enqueue": 0.25, "coalesce": 0.06, "interrupt": 0.05, "rollback": 0.04}
PUSHING: Mapping[str, float] = {"interrupt": 0.3, "rollback": 0.3, "steer": 0.3, "enqueue": 0.1}
CHATTY: Mapping[str, float] = {"coalesce": 0.7, "enqueue": 0.1, "interrupt": 0.12, "rollback": 0.08}


@dataclass(frozen=True, slots=True)
class Profile:
    """One mode. Shares unless said otherwise; durations in seconds."""

    users: int = 2
    tabs: int = 2
    messages: int = 2  # of each tab
    kinds: tuple[str, ...] = ("threads", "responses", "threads", "foreground", "bare")
    # people
    pause_seconds: float = 8.0  # between two messages of a tab, at most
    cancels: float = 0.12
    edits: float = 0.08
    replaces: float = 0.0  # of the messages, and of the replies: sent once more, edited or not, in their place
    mixes: tuple[Mapping[str, float], ...] = (PATIENT, HASTY, CHATTY)  # one of them a seed
    gathers: tuple[float, ...] = (0.0, 1.5)  # seconds, one of them a seed: COALESCE_SECONDS
    team: float = 0.1  # messages that name the first of a team of agents
    changes: int = 0  # of conversations, by each of those who look after them: archived, rotated, deleted and so on
    idle_hours: tuple[float, ...] = (0.0,)  # CONVERSATION_TTL_HOURS, one of them for some seeds in a row
    asks_people: bool = False  # functions of that team need their user's word
    vanishes: float = 0.1  # clients that never come back after a 202 or a broken connection
    waits: tuple[float, ...] = (0.0, 3.0, 10.0, 25.0)  # seconds: how long a request may take
    # another service, which is told of the ends of turns
    tells: bool = False
    deaf: float = 0.0  # of the attempts: it refuses, or its answer is lost
    # instances
    poll_max_seconds: float = 2.0
    crash: float = 0.0  # of all effect boundaries
    pause: float = 0.0
    crash_at: int | None = None  # the number of the one boundary to die at
    ends: float = 0.0  # of all effect boundaries: the platform takes the instance away, as with every deployment
    end_at: int | None = None  # the one to be told to end at
    freeze_at: int | None = None  # the one to freeze at, for FREEZE_SECONDS
    cold_starts: float = 0.3  # of the requests: the platform starts one more instance
    # database
    calls_at_once: int = 16  # of one instance
    call_seconds: float = 0.0  # of each call, more than it takes otherwise
    call_refused: float = 0.0
    answer_lost: float = 0.0  # committed, then the connection broke or nothing came
    lose_call: int | None = None  # the number of the one call whose answer is lost
    call_late: float = 0.0  # executed only after the caller gave up on it
    outages: float = 0.0  # of all minutes: nothing reaches the database for 2 to 20 s
    # provider
    network: Network = field(default_factory=Network)
    run_seconds: tuple[float, float] = (0.3, 12.0)
    long_runs: float = 0.1  # last three times as long as the longest of the others, and more
    run_fails: float = 0.0
    model_refused: float = 0.0  # of all creates with the model that the agent's row names: there are fallbacks then
    falls_ill: bool = False  # beside that, the first so many choices of every agent are refused for a while
    model_fails: float = 0.0  # of all runs of that model: there are fallbacks then
    falls_to_other_wire: bool = False  # the first fallback is the other one of the two wires
    lose_create: tuple[int, str] | None = None  # the number of the one create that is lost, and how, as in `Network`
    posts: bool = False  # models call an MCP server, which their user has to allow; where the wire has such servers
    post_fails: float = 0.0  # of the runs that were let call it: they fail, and there are fallbacks
    asks_for_tools: float = 0.0
    ignores_cancel: float = 0.2  # of the runs: `cancelling` until they expire
    list_lag: float = 0.0  # seconds until a run shows in lists
    foreign: float = 0.0  # of all ten seconds and threads: another program starts a run
    thread_lost: float = 0.0  # of all creates: the thread is gone
    spoiled: float = 0.0  # of all creates on a thread that has answered: what stands in it is refused from then on
    draws: bool = False  # each run makes an image
    hears: float = 0.5  # of the seeds: the server streams what its runs say
    lies: float = 0.0  # of the streams: they break off, fall silent, tell the end late or wrongly, repeat themselves

    @property
    def tidies(self) -> bool:
        """Whether the schedule deletes threads as well: a matter of time, where little depends on it."""
        return bool(self.team or self.changes)

    @property
    def falls_back(self) -> bool:
        return any((self.model_refused, self.model_fails, self.post_fails))

    def quiet(self) -> Profile:
        """The same people and provider when nothing goes wrong any more."""
        still = Profile()
        return replace(
            self, crash=0.0, pause=0.0, ends=0.0, crash_at=None, freeze_at=None, end_at=None, call_refused=0.0,
            answer_lost=0.0, call_late=0.0, lose_call=None, outages=0.0, network=still.network, run_fails=0.0,
            model_refused=0.0, falls_ill=False, model_fails=0.0, post_fails=0.0, lose_create=None,
            asks_for_tools=0.0, foreign=0.0, thread_lost=0.0, spoiled=0.0, lies=0.0, deaf=0.0,
        )  # fmt: skip


MODES: Mapping[str, Profile] = {
    "clean": Profile(kinds=("threads", "responses", "unlocked", "foreground"), vanishes=0.05, cancels=0.25),
    "crash": Profile(crash=0.006, vanishes=0.25),
    "shutdown": Profile(ends=0.01, vanishes=0.1, long_runs=0.3),
    "database": Profile(draws=True, call_refused=0.05, answer_lost=0.05, call_late=0.02, outages=0.2),
    "definite": Profile(
        network=Network(refused=0.1, limited=0.12),
        run_fails=0.1,
        asks_for_tools=0.05,
        foreign=0.1,
        thread_lost=0.03,
        spoiled=0.1,
    ),
    "ambiguous": Profile(network=Network(before=0.08, after=0.08, lost=0.08), list_lag=2.0, lies=0.3),
    # another model answers what was refused for good or has failed, among creates whose answers are lost
    "fallbacks": Profile(
        model_refused=0.3,
        falls_ill=True,
        run_fails=0.1,
        network=Network(before=0.05, after=0.08, lost=0.08),
        kinds=("threads", "responses", "unlocked"),
        crash=0.002,
        run_seconds=(0.3, 5.0),
        long_runs=0.0,
    ),
    "streams": Profile(hears=1.0, lies=0.8, crash=0.002, pause=0.002),
    # more messages at once than the way to the database takes: they are accepted first, and served then
    "burst": Profile(
        users=4, tabs=4, messages=1, pause_seconds=0.1, calls_at_once=1, cold_starts=0.0, call_late=0.02, crash=0.001
    ),
    "waiting": Profile(
        team=0.6,
        asks_people=True,
        crash=0.002,
        pause=0.001,
        answer_lost=0.01,
        run_seconds=(0.3, 3.0),
        long_runs=0.0,
        kinds=("threads", "responses"),
    ),
    # messages that join a chain of agents on its way
    "steering": Profile(
        users=1,
        tabs=4,
        waits=(3.0, 10.0, 25.0),
        mixes=(STEERING,),
        pause_seconds=2.0,
        team=0.7,
        cancels=0.2,
        edits=0.4,
        replaces=0.03,
        crash=0.002,
        ends=0.001,
        pause=0.001,
        call_refused=0.01,
        answer_lost=0.01,
        call_late=0.005,
        network=Network(0.01, 0.02, 0.01, 0.02, 0.02, 0.01, 0.01),
        run_fails=0.01,
        list_lag=2.0,
        thread_lost=0.005,
        vanishes=0.15,
        lies=0.2,
        run_seconds=(1.0, 4.0),
        long_runs=0.05,
        kinds=("threads", "responses", "threads", "responses", "unlocked", "foreground"),
    ),
    # the same where people displace what they have steered, again and again before an answer
    "pushing": Profile(
        users=1,
        tabs=3,
        messages=3,
        waits=(10.0, 25.0),
        mixes=(PUSHING,),
        pause_seconds=2.0,
        team=0.9,
        cancels=0.05,
        edits=0.0,
        vanishes=0.0,
        lies=0.0,
        run_seconds=(1.0, 3.0),
        long_runs=0.0,
        kinds=("responses",),
    ),
    "dark": Profile(messages=1, network=Network(before=0.6)),
    "late": Profile(
        network=Network(late=0.12, lost=0.04, slow=0.2), kinds=("threads", "responses", "bare", "unlocked"), hears=0.2
    ),
    # creates whose answer is lost while their run ends just as they are repeated
    "repeated": Profile(
        network=Network(after=0.25, slow=0.4),
        kinds=("responses", "unlocked"),
        hears=0.2,
        run_seconds=(7.0, 16.0),
        long_runs=0.0,
        crash=0.004,
        cold_starts=0.1,
        cancels=0.05,
    ),
    # messages and replies that are sent once more, edited or not, in their places
    "replaced": Profile(replaces=0.3, crash=0.002, pause=0.002, call_late=0.01, answer_lost=0.01),
    # conversations that are archived and opened again, rotated, named and deleted while they are being answered
    "lifecycle": Profile(
        changes=4, idle_hours=(0.0, 0.006), messages=3, crash=0.002, pause=0.001, call_late=0.01, answer_lost=0.01
    ),
    # a service that is told of the ends of turns, and is not always there
    "told": Profile(tells=True, deaf=0.4, crash=0.004, pause=0.002, call_late=0.01, answer_lost=0.02, cancels=0.2),
    "zombie": Profile(pause=0.012, crash=0.002, vanishes=0.2, waits=(3.0, 25.0, 100.0), long_runs=0.4),
    "storm": Profile(
        crash=0.004,
        ends=0.002,
        pause=0.003,
        call_refused=0.02,
        answer_lost=0.02,
        call_late=0.01,
        outages=0.05,
        network=Network(0.02, 0.04, 0.02, 0.02, 0.02, 0.02, 0.02, 0.01),
        run_fails=0.03,
        asks_for_tools=0.02,
        list_lag=2.0,
        foreign=0.03,
        thread_lost=0.01,
        spoiled=0.02,
        vanishes=0.2,
        lies=0.3,
        kinds=("threads", "responses", "unlocked", "foreground"),
    ),
}
