// What there is to show of a conversation.
import type { OutboxMessage } from "./outbox";
import type { TurnRecord } from "./turn-records";
import type { TurnStream } from "./turn-stream";
import type { ConversationDetail, Line, Turn } from "./types";

/** Everything there is to show, never changed in place. */
export interface ConversationState {
  loaded: boolean;
  /** The agent in charge, where the server has said so. */
  agent: string | null;
  lines: Line[];
  /** Whether the server has older lines than these. */
  earlier: boolean;
  /** What the server last said of the conversation as a whole; null where there is nothing in it yet. */
  detail: ConversationDetail | null;
  /** Whether it was there and has been deleted since, perhaps elsewhere. */
  deleted: boolean;
  /** Turns that have not ended, the one that is being answered first. */
  open: Turn[];
  /** Turns that are to be cancelled, as far as the server has not yet said so itself. */
  cancelling: ReadonlySet<string>;
  outbox: OutboxMessage[];
  stream: TurnStream | null;
  records: ReadonlyMap<string, TurnRecord>;
  /** Whether the server answers, as far as is known. */
  reachable: boolean;
  /** Why the last thing that was asked for was not done. */
  refusal: unknown;
}

/** Lines and open turns, but for those whose place a message on its way is to take. */
export function inPlace(lines: Line[], open: Turn[], outbox: OutboxMessage[]): Pick<ConversationState, "lines" | "open"> {
  const displaced = new Set(outbox.flatMap(({ place }) => (place ? [place.turn] : [])));
  if (!displaced.size) return { lines, open };
  const from = lines.findIndex((line) => displaced.has(line.turn_id));
  const fromOpen = open.findIndex((turn) => displaced.has(turn.turn_id));
  const none = from >= 0 && fromOpen < 0; // what is open came after that line
  return {
    lines: from < 0 ? lines : lines.slice(0, from),
    open: none ? [] : fromOpen < 0 ? open : open.slice(0, fromOpen),
  };
}
