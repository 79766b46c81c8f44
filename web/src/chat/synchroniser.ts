// Asks the server how a conversation stands: gently while it is idle, faster while it is busy, at once when told to.
import type { Api } from "../api";
import { ApiError, SignedOut } from "../errors";
import type { Ending, Line, Turn } from "../types";
import { Transcript } from "./transcript";
import { backoff } from "./backoff";

const IDLE_MS = 3000;
const BUSY_MS = 1200;
const SOON_MS = 50;

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
  /** How turns ended that have no whole answer in the transcript. */
  ends: ReadonlyMap<string, Ending> = new Map();
  cancelling: ReadonlySet<string> = new Set();
  /** Turns that were handed in here: those are followed also while the page is hidden. */
  readonly mine = new Set<string>();
  failures = 0;
  private readonly transcript = new Transcript();
  private running: Promise<void> | null = null;
  private again = false;
  private timer = 0;
  private stopped = true;
  private readonly api: Api;
  private readonly id: string;
  private readonly hooks: Hooks;

  constructor(api: Api, id: string, hooks: Hooks) {
    this.api = api;
    this.id = id;
    this.hooks = hooks;
  }

  start(): void {
    this.stopped = false;
    for (const name of ["visibilitychange", "online", "focus"]) window.addEventListener(name, this.wake);
    document.addEventListener("visibilitychange", this.wake);
    void this.now();
  }

  stop(): void {
    this.stopped = true;
    clearTimeout(this.timer);
    for (const name of ["visibilitychange", "online", "focus"]) window.removeEventListener(name, this.wake);
    document.removeEventListener("visibilitychange", this.wake);
  }

  /** Whether the server has shown this turn. */
  knows(turn: string): boolean {
    return this.open.some((one) => one.turn_id === turn) || this.lines.some((line) => line.turn_id === turn);
  }

  expectCancel(turn: string): void {
    this.cancelling = new Set(this.cancelling).add(turn);
    this.hooks.onChange();
  }

  /** Asks at once; one that is asking already asks again. Resolves when what is shown is newer than this call. */
  now(): Promise<void> {
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

  soon(): void {
    clearTimeout(this.timer);
    this.timer = window.setTimeout(() => void this.now(), SOON_MS);
  }

  private readonly wake = () => {
    if (document.visibilityState === "visible") void this.now();
  };

  private schedule(): void {
    if (this.stopped) return;
    clearTimeout(this.timer);
    const watched = document.visibilityState === "visible" || this.open.some((turn) => this.mine.has(turn.turn_id));
    if (!watched && !this.failures) return; // coming back wakes it
    const usual = this.open.length ? BUSY_MS : IDLE_MS;
    this.timer = window.setTimeout(() => void this.now(), this.failures ? backoff(this.failures) : usual);
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
    let read: Line[] = [];
    try {
      open = (await this.api.conversation(this.id)).open_turns;
      read = await this.api.lines(this.id, this.transcript.after);
    } catch (error) {
      if (!(error instanceof ApiError && error.status === 404)) throw error; // nothing has been said in it yet
    }
    if (this.stopped) return;
    this.transcript.take(read, open);
    const ended = this.open.some((turn) => !open.some((one) => one.turn_id === turn.turn_id));
    // A turn that may still be refused is shown to its sender alone.
    const hidden = new Set(open.filter(undecided).map((turn) => turn.turn_id));
    this.open = open.filter((turn) => !hidden.has(turn.turn_id));
    this.lines = this.transcript.lines.filter((line) => !hidden.has(line.turn_id));
    this.loaded = true;
    if (ended) this.hooks.onEnded();
    this.hooks.onChange(); // asking how turns ended may take a while
    await this.askEnds(open);
  }

  private async askEnds(open: Turn[]): Promise<void> {
    for (const id of this.transcript.unanswered(open)) {
      if (this.ends.has(id) || this.stopped) continue;
      const ending = await this.api.ending(id);
      if (ending) this.ends = new Map(this.ends).set(id, ending);
    }
  }
}

const undecided = (turn: Turn) => turn.multitask_strategy === "reject" && turn.status !== "running";
