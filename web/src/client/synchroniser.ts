// Asks the server how a conversation stands: often while it is busy, ever more seldom while nothing happens, at once
// when told to.
import type { Api } from "./api";
import { backoff } from "./backoff";
import { ApiError, SignedOut } from "./errors";
import { type ReadLines, Transcript } from "./transcript";
import type { TurnRecords } from "./turn-records";
import type { ConversationDetail, Line, Turn } from "./types";

const BUSY_MS = 1500;
const IDLE_MS = [3000, 3000, 4000, 6000, 9000, 14_000, 20_000, 30_000, 45_000, 60_000]; // the longer, the longer
const LIVE_MS = 300_000; // where changes are told of: for one that was missed
const SOON_MS = 50;
const ASKED_AT_ONCE = 4;
const AHEAD = 500; // lines that are read without being asked for: a conversation of usual length is there as a whole

interface Hooks {
  onChange: () => void;
  /** A turn that was open is so no more. */
  onEnded: () => void;
  onSignedOut: () => void;
}

export class Synchroniser {
  loaded = false;
  open: Turn[] = [];
  lines: Line[] = [];
  /** What the server last said of the conversation; null where there is nothing in it yet. */
  detail: ConversationDetail | null = null;
  /** Whether it was there and is no more: it has been deleted, here or elsewhere. */
  deleted = false;
  cancelling: ReadonlySet<string> = new Set();
  /** Turns that were handed in here: those are followed also while the page is hidden. */
  readonly mine = new Set<string>();
  failures = 0;
  /** Whether there are older lines than those that are here. */
  get hasEarlier(): boolean {
    return this.transcript.earlier !== null;
  }

  private transcript = new Transcript();
  private wanted = AHEAD;
  private live = false;
  private seen: string | null = null;
  private quiet = 0;
  private running: Promise<void> | null = null;
  private again = false;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private stopped = true;
  private readonly api: Api;
  private readonly id: string;
  private readonly records: TurnRecords;
  private readonly hooks: Hooks;

  constructor(api: Api, id: string, records: TurnRecords, hooks: Hooks) {
    this.api = api;
    this.id = id;
    this.records = records;
    this.hooks = hooks;
  }

  start(): void {
    this.stopped = false;
    for (const name of ["online", "focus"]) window.addEventListener(name, this.wake);
    document.addEventListener("visibilitychange", this.wake);
    void this.now();
  }

  stop(): void {
    this.stopped = true;
    clearTimeout(this.timer);
    for (const name of ["online", "focus"]) window.removeEventListener(name, this.wake);
    document.removeEventListener("visibilitychange", this.wake);
  }

  /** Whether the server has shown this turn. */
  knows(turn: string): boolean {
    return this.open.some((one) => one.turn_id === turn) || this.lines.some((line) => line.turn_id === turn);
  }

  /** The turns that wait in line, but for those that are being taken out of it. */
  get waiting(): Turn[] {
    const open = this.open.filter((turn) => turn.position > 0 && !turn.cancel_requested);
    return open.filter((turn) => !this.cancelling.has(turn.turn_id));
  }

  expectCancel(turn: string): void {
    this.cancelling = new Set(this.cancelling).add(turn);
    this.hooks.onChange();
  }

  /** Asks at once; one that is asking already asks again. Resolves when what is shown is newer than this call. */
  now(): Promise<void> {
    this.quiet = 0;
    return this.ask();
  }

  /** Whether changes are told of by the database: then they are asked for only now and then. */
  setLive(live: boolean): void {
    this.live = live;
    this.quiet = 0;
    if (!this.running) this.schedule();
  }

  /** Reads more of what is before the first line that is here. */
  readEarlier(): void {
    this.wanted = Math.max(this.wanted, this.lines.length + 1);
    void this.ask();
  }

  soon(): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.now(), SOON_MS);
  }

  private readonly wake = () => {
    if (document.visibilityState === "visible") void this.now();
  };

  private ask(): Promise<void> {
    if (this.stopped) return Promise.resolve();
    if (this.running) {
      this.again = true;
      return this.running;
    }
    clearTimeout(this.timer);
    this.running = this.run().finally(() => {
      this.running = null;
      this.schedule();
    });
    return this.running;
  }

  private schedule(): void {
    if (this.stopped) return;
    clearTimeout(this.timer);
    const watched = document.visibilityState === "visible" || this.open.some((turn) => this.mine.has(turn.turn_id));
    if (!watched && !this.failures) return; // coming back wakes it
    const idle = IDLE_MS[Math.min(this.quiet, IDLE_MS.length - 1)]!;
    const busy = this.open.length > 0 && this.open[0]!.status !== "waiting";
    const usual = busy ? BUSY_MS : this.live ? LIVE_MS : idle;
    this.quiet += 1;
    this.timer = setTimeout(() => void this.ask(), this.failures ? backoff(this.failures) : usual);
  }

  private async run(): Promise<void> {
    do {
      this.again = false;
      try {
        await this.read();
        this.failures = 0;
      } catch (error) {
        if (error instanceof SignedOut) this.hooks.onSignedOut();
        this.failures += 1;
      }
      if (this.stopped) return;
      this.hooks.onChange();
    } while (this.again && !this.failures);
  }

  /** The open turns first: a turn that is not among them has all of its lines in a transcript that is read later. */
  private async read(): Promise<void> {
    let open: Turn[] = [];
    try {
      const detail = await this.api.conversation(this.id);
      open = detail.open_turns;
      const state = stateOf(detail);
      this.detail = detail;
      if (this.loaded && state === this.seen && !open.length && !this.wantsEarlier) return; // nothing has happened since
      await this.transcript.catchUp(this.readLines);
      this.seen = open.length ? null : state;
    } catch (error) {
      if (!(error instanceof ApiError && error.status === 404)) throw error;
      if (this.loaded && !this.detail) return; // nothing has been said in it yet
      this.deleted = this.detail !== null;
      this.detail = null;
      this.transcript = new Transcript();
    }
    if (this.stopped) return;
    this.show(open);
    while (this.wantsEarlier && !this.stopped) {
      await this.transcript.readEarlier(this.readLines);
      this.show(open);
    }
    await this.askEndings(open);
  }

  private get wantsEarlier(): boolean {
    return this.hasEarlier && this.transcript.lines.length < this.wanted;
  }

  private readonly readLines: ReadLines = (limit, before) => this.api.lines(this.id, limit, before);

  private show(open: Turn[]): void {
    const ended = this.open.some((turn) => !open.some((one) => one.turn_id === turn.turn_id));
    // A turn that may still be refused is shown to its sender alone.
    const hidden = new Set(open.filter(undecided).map((turn) => turn.turn_id));
    this.open = open.filter((turn) => !hidden.has(turn.turn_id));
    this.lines = this.transcript.lines.filter((line) => !hidden.has(line.turn_id));
    this.loaded = true;
    this.quiet = 0;
    if (ended) this.hooks.onEnded();
    this.hooks.onChange(); // asking how turns ended may take a while
  }

  /** The newest first, some side by side: they stand where the reader looks. */
  private async askEndings(open: Turn[]): Promise<void> {
    const ids = this.transcript.unanswered(open).filter((id) => !this.records.ending(id));
    while (ids.length && !this.stopped) {
      const some = ids.splice(-ASKED_AT_ONCE);
      const endings = await Promise.all(some.map((id) => this.api.ending(id)));
      if (this.stopped) return;
      for (const [at, ending] of endings.entries()) if (ending) this.records.add(some[at]!, { ending });
      this.hooks.onChange();
    }
  }
}

/** What changes whenever something is handed in. */
const stateOf = (detail: ConversationDetail) => `${detail.updated_at} ${detail.turns} ${detail.status}`;

const undecided = (turn: Turn) => turn.multitask_strategy === "reject" && turn.status !== "running";
