// What this browser heard of turns that are over, and the transcript does not tell: why they were handed over, and how a turn
// without an answer ended. Final turns never change, so each is asked for once.
import type { StreamPart } from "./parts";
import type { Ending, Handoff } from "./types";
import type { UserStorage } from "./user-storage";

const NAME = "turns";
const MOST = 200;
const LONGEST = 4000; // characters of what a tool was given or gave back

export interface TurnRecord {
  handoffs?: Handoff[];
  /** What the last agent had said and called when a stream ended without a whole answer. */
  said?: StreamPart[];
  ending?: Ending;
  /** Whether what it asked has been asked again. */
  retried?: boolean;
}

export class TurnRecords {
  /** Each change makes a new map. */
  all: ReadonlyMap<string, TurnRecord>;
  private readonly storage: UserStorage;

  constructor(storage: UserStorage) {
    this.storage = storage;
    this.all = new Map(storage.read<[string, TurnRecord][]>("browser", NAME) ?? []);
  }

  ending(turn: string): Ending | undefined {
    return this.all.get(turn)?.ending;
  }

  add(turn: string, record: TurnRecord): void {
    const all = new Map(this.storage.read<[string, TurnRecord][]>("browser", NAME) ?? []); // other tabs write too
    for (const [id, known] of this.all) all.set(id, { ...all.get(id), ...known });
    const merged = { ...all.get(turn), ...record };
    all.delete(turn); // the newest last
    all.set(turn, merged);
    this.all = new Map([...all].slice(-MOST));
    this.storage.write("browser", NAME, [...this.all]);
  }
}

/** What a stream told that the transcript may not. */
export function recordOf(parts: readonly StreamPart[], completed: boolean): TurnRecord {
  const handoffs = parts.flatMap((part) => (part.kind === "handoff" ? [part.handoff] : []));
  const last = parts.slice(parts.findLastIndex((part) => part.kind === "handoff" || part.kind === "steered") + 1);
  const said = completed ? [] : last.map(shortened);
  return { ...(handoffs.length && { handoffs }), ...(said.length && { said }) };
}

function shortened(part: StreamPart): StreamPart {
  if (part.kind !== "tool") return part;
  const { input, output } = part.call;
  return { ...part, call: { ...part.call, input: short(input), ...(output !== undefined && { output: short(output) }) } };
}

function short(value: unknown): unknown {
  const text = typeof value === "string" ? value : (JSON.stringify(value) ?? "");
  return text.length > LONGEST ? `${text.slice(0, LONGEST)} …` : value;
}
