// What is on the page, in order: the transcript, the answer that is being given, what is on its way. The same function
// makes an answer while it streams, at its end and after a reload, so that it looks the same each time.
import {
  type ConversationState,
  type Ending,
  type Handoff,
  type Line,
  type OutboxMessage,
  type StreamPart,
  type Turn,
  partsOf,
} from "../client";
import { sentence } from "../page/words";

export interface UserMessage {
  kind: "message";
  id: string;
  text: string;
  at: string | null;
  /** Below the message; nothing where all is said by what follows. */
  note: string;
  tone: "waiting" | "ended" | "wrong" | "";
  /** The turn that it has become, once it is being answered or was: it can be sent anew in that place. */
  turn: string | null;
  /** What can be taken back, as the server has not got it. */
  unsent: OutboxMessage | null;
  /** The turn that failed, and the agent that it went to. */
  retry: { turn: string; agent: string | null } | null;
}

export interface Reply {
  kind: "reply";
  id: string;
  agent: string | null;
  /** Words and tool calls in order; none while the agent has not begun. */
  parts: StreamPart[];
  state: "whole" | "growing" | "waiting" | "stopping" | "cut";
  at: string | null;
  turn: string;
  /** What it answers, where it is the last word on that; null while it is being said and where it handed over. */
  asked: string | null;
  /** Whether nothing was said after it. */
  last: boolean;
}

export type TimelineItem = UserMessage | Reply | { kind: "handoff"; id: string; handoff: Handoff };

export function timelineOf(state: ConversationState, streamed: readonly StreamPart[]): TimelineItem[] {
  const open = new Map(state.open.map((turn) => [turn.turn_id, turn]));
  const items: TimelineItem[] = [];
  const asked = new Set<string>(); // turns whose message stands in the transcript
  const lastOf = new Map(state.lines.map((line) => [line.turn_id, line]));
  const live = state.stream?.turnId ?? null;
  const isLive = (turn: string) => turn === live && (open.has(turn) || streamed.length > 0);
  const segments = new Map<string, number>();
  const told = new Set(streamed.flatMap((part) => (part.kind === "steered" ? [part.id] : [])));
  for (const line of state.lines) {
    const turn = line.turn_id;
    if (line.role === "user") {
      asked.add(turn);
      if (line.steered_into && isLive(line.steered_into) && told.has(turn)) continue; // it stands among what is streamed
      items.push(open.has(turn) ? message(turn, line.text, line.created_at) : endedMessage(line, state));
    } else if (!isLive(turn)) {
      const segment = segments.get(turn) ?? 0;
      segments.set(turn, segment + 1); // behind a line comes a handoff, or a message that was steered
      items.push(...settled(line, segment, state));
    }
    if (line === lastOf.get(turn) && !isLive(turn) && !open.has(turn)) {
      items.push(...cutOff(turn, segments.get(turn) ?? 0, line, state, items.at(-1)));
    }
    // A stream that has just ended stands here until the transcript tells the same.
    if (line === lastOf.get(turn) && isLive(turn) && !open.has(turn)) items.push(...growing(turn, null, streamed, state));
  }
  const head = state.open.find((turn) => turn.position === 0);
  if (head) {
    if (!asked.has(head.turn_id)) items.push(message(head.turn_id, head.message, head.created_at));
    const parts = live === head.turn_id ? streamed : [];
    const begun = live !== head.turn_id && segments.has(head.turn_id);
    items.push(...growing(head.turn_id, head, parts, state, begun ? segments.get(head.turn_id)! : 0));
  }
  if (!state.open.length) for (const one of state.outbox) items.push(...unsent(one, asked, streamed, state));
  return items.map((item, at) => answered(item, at, items, state));
}

/** An answer that is over, with what it answers. */
function answered(item: TimelineItem, at: number, items: TimelineItem[], state: ConversationState): TimelineItem {
  if (item.kind !== "reply" || ["growing", "waiting", "stopping"].includes(item.state)) return item;
  const next = items[at + 1];
  if (next && next.kind !== "message") return item;
  const question = items.slice(0, at).findLast((one): one is UserMessage => one.kind === "message");
  return { ...item, asked: question?.text ?? null, last: !next && !state.open.length };
}

/** Messages that wait behind the one that is being answered: in line at the server, or on the way there. */
export type QueuedMessage = { id: string; text: string; turn: Turn | null; unsent: OutboxMessage | null; joins: boolean };

export function queueOf(state: ConversationState): QueuedMessage[] {
  if (!state.open.length) return [];
  const waiting = state.open.filter((turn) => turn.position > 0);
  const listed = new Set(state.open.map((turn) => turn.metadata.client_key));
  const known = new Set(state.open.map((turn) => turn.turn_id));
  const sending = state.outbox.filter((one) => !listed.has(one.key) && !(one.turnId && known.has(one.turnId)));
  return [
    ...waiting.map((turn, at) => {
      const before = waiting[at - 1];
      const joins = turn.multitask_strategy === "coalesce" && before?.multitask_strategy === "coalesce";
      return { id: turn.turn_id, text: turn.message, turn, unsent: null, joins };
    }),
    ...sending.map((one) => ({ id: one.key, text: one.text, turn: null, unsent: one, joins: one.joins !== null })),
  ];
}

function message(id: string, text: string, at: string | null, turn: string | null = id): UserMessage {
  return { kind: "message", id: `message-${id}`, text, at, note: "", tone: "", turn, unsent: null, retry: null };
}

function reply(turn: string, segment: number, said: Pick<Reply, "agent" | "parts" | "state" | "at">): Reply {
  return { kind: "reply", id: `${turn}-${segment}`, turn, asked: null, last: false, ...said };
}

function endedMessage(line: Line, state: ConversationState): UserMessage {
  const item = message(line.turn_id, line.text, line.created_at);
  const record = state.records.get(line.turn_id);
  const ending = record?.ending;
  if (!ending || ending.status === "completed") return item;
  if (ending.superseded_by) return { ...item, note: sentence("superseded"), tone: "ended" };
  if (ending.status === "cancelled") return { ...item, note: sentence("cancelled"), tone: "ended" };
  const retry = record.retried ? null : { turn: line.turn_id, agent: ending.asked };
  return { ...item, note: sentence(ending.error?.code ?? ""), tone: "wrong", retry };
}

function settled(line: Line, segment: number, state: ConversationState): TimelineItem[] {
  const record = state.records.get(line.turn_id);
  const items: TimelineItem[] = [];
  const parts = partsOf(line);
  const id = `${line.turn_id}-${segment}`;
  if (parts.length) {
    const stage = line.partial ? "cut" : "whole";
    items.push(reply(line.turn_id, segment, { agent: line.agent, parts, state: stage, at: line.created_at }));
  }
  if (line.handoff_to && line.agent) {
    const { agent: from, handoff_to: to } = line;
    const known = record?.ending?.handoffs ?? record?.handoffs ?? [];
    const made = [known[segment], ...known].find((one) => one?.from === from && one.to === to) ?? { from, to };
    items.push({ kind: "handoff", id: `${id}-handoff`, handoff: made });
  }
  return items;
}

/** What had been said by an agent whose answer did not come to its end. */
function cutOff(
  turn: string,
  segment: number,
  last: Line,
  state: ConversationState,
  before: TimelineItem | undefined,
): TimelineItem[] {
  const ending: Ending | undefined = state.records.get(turn)?.ending;
  if (!ending || ending.status === "completed" || (last.role === "assistant" && !last.handoff_to)) return [];
  const text = ending.partial?.text;
  const parts: StreamPart[] = state.records.get(turn)?.said ?? (text ? [{ kind: "text", id: "text", text }] : []);
  if (!parts.length || (before?.kind === "reply" && before.id === `${turn}-${segment}`)) return [];
  const agent = ending.agent ?? last.handoff_to ?? null;
  return [reply(turn, segment, { agent, parts, state: "cut", at: ending.finished_at })];
}

/** An answer while it is being given: the parts of a stream, grouped by who speaks. A handoff is where that changes. */
function growing(
  turn: string,
  open: Turn | null,
  streamed: readonly StreamPart[],
  state: ConversationState,
  segment = 0,
): TimelineItem[] {
  const items: TimelineItem[] = [];
  const cancelling = open !== null && (open.cancel_requested || state.cancelling.has(turn));
  const first = streamed.find((part) => part.kind === "handoff")?.handoff.from;
  let agent = first ?? state.stream?.news?.agent ?? open?.agent ?? state.agent;
  let parts: StreamPart[] = [];
  const close = (whole: boolean) => {
    if (parts.length || !whole) {
      const over = whole || !open; // the words of a stream that has ended are as whole as the server made them
      const stage = over ? "whole" : cancelling ? "stopping" : open.status === "waiting" ? "waiting" : "growing";
      items.push(reply(turn, segment, { agent, parts, state: stage, at: null }));
    }
    parts = [];
  };
  for (const part of streamed) {
    if (part.kind === "steered") {
      const said = parts.length > 0;
      close(true);
      if (said) segment += 1; // else the handoff has begun one
      items.push(message(part.id, part.text, null));
      continue;
    }
    if (part.kind !== "handoff") {
      if (part.kind !== "text" || part.text) parts.push(part);
      continue;
    }
    close(true);
    items.push({ kind: "handoff", id: `${turn}-${segment}-handoff`, handoff: part.handoff });
    agent = part.handoff.to;
    segment += 1;
  }
  close(open === null);
  return items;
}

function unsent(
  one: OutboxMessage,
  asked: ReadonlySet<string>,
  streamed: readonly StreamPart[],
  state: ConversationState,
): TimelineItem[] {
  if (one.turnId && asked.has(one.turnId)) return [];
  const item = message(one.turnId ?? one.key, one.text, null, one.turnId);
  if (!one.turnId) return [{ ...item, note: noteOf(one), tone: "waiting", unsent: one.undelivered ? one : null }];
  // The stream may be faster than the list of open turns.
  if (state.stream?.turnId !== one.turnId) return [item];
  const open = { cancel_requested: false, agent: state.agent } as Turn;
  return [item, ...growing(one.turnId, open, streamed, state)];
}

export function noteOf(one: OutboxMessage): string {
  if (!navigator.onLine) return "Not sent yet: it goes out when you are online again";
  return one.undelivered ? "Not sent yet: it goes out when the server can be reached" : "Sending …";
}
