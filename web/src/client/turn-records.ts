// What this browser heard of turns that are over, and the transcript does not tell: which tools were used at which place,
// and how a turn without an answer ended. Final turns never change, so each is asked for once.
import type { StreamPart } from "./turn-stream";
import type { Ending, Handoff, ToolCall } from "./types";
import type { UserStorage } from "./user-storage";

const NAME = "turns";
const MOST = 200;
const LONGEST = 4000; // characters of what a tool was given or gave back

/** A tool call of the words between two handoffs: how many of their characters stand before it. */
export interface PlacedCall {
  segment: number;
  at: number;
  call: ToolCall;
}

export interface TurnRecord {
  calls?: PlacedCall[];
  handoffs?: Handoff[];
  /** What the last agent had said when a stream ended without a whole answer. */
  heard?: string;
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

/** What a stream told that the transcript does not. */
export function recordOf(parts: readonly StreamPart[], completed: boolean): TurnRecord {
  const handoffs = parts.flatMap((part) => (part.kind === "handoff" ? [part.handoff] : []));
  const calls = callsOf(parts);
  const last = parts.slice(parts.findLastIndex((part) => part.kind === "handoff") + 1);
  const heard = completed ? "" : last.flatMap((part) => (part.kind === "text" ? [part.text] : [])).join(JOINT);
  return { ...(calls.length && { calls }), ...(handoffs.length && { handoffs }), ...(heard && { heard }) };
}

function callsOf(parts: readonly StreamPart[]): PlacedCall[] {
  const calls: PlacedCall[] = [];
  let segment = 0;
  let at = 0;
  for (const part of parts) {
    if (part.kind === "handoff") [segment, at] = [segment + 1, 0];
    else if (part.kind === "tool") calls.push({ segment, at, call: shortened(part.call) });
    else if (part.text) at += part.text.length + (at ? JOINT.length : 0);
  }
  return calls;
}

/** What the server puts between the words of two runs. */
const JOINT = "\n\n";

/** The words of a line cut at the places of its calls. */
export function withCalls(text: string, calls: readonly PlacedCall[]): StreamPart[] {
  const parts: StreamPart[] = [];
  let from = 0;
  const say = (to: number) => {
    const words = text.slice(from, to).trim();
    if (words) parts.push({ kind: "text", id: `text-${from}`, text: words });
    from = to;
  };
  for (const { at, call } of calls) {
    const place = Math.min(at, text.length);
    if (isJoint(text, place)) say(place); // elsewhere the words are not those of the stream: the call goes before them
    parts.push({ kind: "tool", id: call.id, call });
  }
  say(text.length);
  return parts;
}

const isJoint = (text: string, place: number) =>
  place === text.length || text.startsWith(JOINT, place) || text.endsWith(JOINT, place);

function shortened(call: ToolCall): ToolCall {
  return { ...call, input: short(call.input), ...("output" in call ? { output: short(call.output) } : {}) };
}

function short(value: unknown): unknown {
  const text = typeof value === "string" ? value : (JSON.stringify(value) ?? "");
  return text.length > LONGEST ? `${text.slice(0, LONGEST)} …` : value;
}
