// What is on the page, in order: the transcript, what waits behind it, what is on its way.
import type { DynamicToolUIPart } from "ai";
import { sentence } from "../errors";
import type { Ending, Handoff, Line, TurnMessage, Turn } from "../types";
import type { TurnStream } from "./turn-stream";
import type { OutboxMessage } from "./outbox";

export interface ConversationState {
  loaded: boolean;
  lines: Line[];
  open: Turn[];
  ends: ReadonlyMap<string, Ending>;
  cancelling: ReadonlySet<string>;
  outbox: OutboxMessage[];
  stream: TurnStream | null;
  streamed: ReadonlyMap<string, TurnMessage>;
  unreachable: boolean;
  notice: string;
}

export interface UserMessage {
  kind: "message";
  id: string;
  text: string;
  /** Below the message; nothing where all is said by what follows. */
  words: string;
  tone: "waiting" | "ended" | "wrong" | "";
  /** What can be stopped or taken out of the queue. */
  turn: Turn | null;
  /** What can be taken back, as the server has not got it. */
  unsent: OutboxMessage | null;
  /** What can be sent again. */
  again: string | null;
}

export type Item =
  | UserMessage
  | { kind: "reply"; id: string; agent: string | null; text: string; partial: boolean }
  | { kind: "handoff"; id: string; handoff: Handoff }
  | { kind: "tools"; id: string; calls: DynamicToolUIPart[] }
  | { kind: "streamed"; id: string; stream: TurnStream; agent: string | null; cancelling: boolean }
  | { kind: "pending"; id: string; agent: string | null; cancelling: boolean };

export function timelineOf(state: ConversationState): Item[] {
  const open = new Map(state.open.map((turn) => [turn.turn_id, turn]));
  const items: Item[] = [];
  const asked = new Set<string>(); // turns whose message stands in the transcript
  const toolCalls = new Map<string, DynamicToolUIPart[][]>();
  for (const line of state.lines) {
    const turn = open.get(line.turn_id);
    if (line.role === "user") {
      asked.add(line.turn_id);
      items.push(turn ? openMessage(line.text, turn, state) : endedMessage(line, state));
    } else if (!turn || !streams(state, line.turn_id)) {
      // Tools stand in no transcript: each is shown with the line of the agent that used it, as the stream had it.
      const calls = toolCalls.get(line.turn_id) ?? toolCallsOf(state.streamed.get(line.turn_id));
      toolCalls.set(line.turn_id, calls);
      const used = calls.shift();
      if (used?.length) items.push({ kind: "tools", id: `tools-${line.id}`, calls: used });
      items.push(...repliesOf(line, state));
    }
  }
  const unlisted = state.open.filter((turn) => !asked.has(turn.turn_id));
  const active = state.open.find((turn) => !unlisted.includes(turn)) ?? state.open.find((turn) => turn.status !== "queued");
  if (active && !unlisted.includes(active)) items.push(replyOf(active, state));
  for (const turn of unlisted) {
    items.push(openMessage(turn.message, turn, state));
    if (turn === active) items.push(replyOf(turn, state));
  }
  for (const item of state.outbox) {
    const shown = state.open.some((turn) => turn.metadata.client_key === item.key);
    if (!shown && !(item.turnId && (open.has(item.turnId) || asked.has(item.turnId)))) items.push(...unsentMessage(item, state));
  }
  return items;
}

const streams = (state: ConversationState, turn: string) => state.stream?.turnId === turn && state.stream.message !== null;

/** The tools that were used, one list between two handoffs. */
function toolCallsOf(streamed: TurnMessage | undefined): DynamicToolUIPart[][] {
  const lists: DynamicToolUIPart[][] = [[]];
  for (const part of streamed?.parts ?? []) {
    if (part.type === "data-handoff") lists.push([]);
    if (part.type === "dynamic-tool") lists.at(-1)!.push(part);
  }
  return lists;
}

function replyOf(turn: Turn, state: ConversationState): Item {
  const cancelling = turn.cancel_requested || state.cancelling.has(turn.turn_id);
  const shared = { id: `answer-${turn.turn_id}`, agent: turn.agent, cancelling };
  if (state.stream?.turnId === turn.turn_id) return { kind: "streamed", stream: state.stream, ...shared };
  return { kind: "pending", ...shared };
}

function repliesOf(line: Line, state: ConversationState): Item[] {
  const items: Item[] = [];
  if (line.text) items.push({ kind: "reply", id: line.id, agent: line.agent, text: line.text, partial: line.partial });
  if (line.handoff_to && line.agent) {
    const { agent: from, handoff_to: to } = line;
    const streamed = state.streamed.get(line.turn_id)?.parts.flatMap((part) => (part.type === "data-handoff" ? [part.data] : []));
    const made = (state.ends.get(line.turn_id)?.handoffs ?? streamed)?.find((one) => one.from === from && one.to === to);
    items.push({ kind: "handoff", id: `handoff-${line.id}`, handoff: made ?? { from, to } });
  }
  return items;
}

const plainMessage = (id: string, text: string): UserMessage => ({
  ...{ kind: "message", id, text, words: "", tone: "", turn: null, unsent: null, again: null },
});

function openMessage(text: string, turn: Turn, state: ConversationState): UserMessage {
  const item = plainMessage(turn.turn_id, text);
  const cancelling = turn.cancel_requested || state.cancelling.has(turn.turn_id);
  if (turn.position === 0) return { ...item, turn, words: cancelling ? "Stopping …" : "" };
  const before = turn.position === 1 ? "one message is before it" : `${turn.position} messages are before it`;
  const words = cancelling ? "Taking it out of the line …" : `Waiting in line: ${before}`;
  return { ...item, turn, words, tone: "waiting" };
}

function endedMessage(line: Line, state: ConversationState): UserMessage {
  const item = plainMessage(line.turn_id, line.text);
  const turn = state.ends.get(line.turn_id);
  if (!turn || turn.status === "completed") return item;
  if (turn.superseded_by) return { ...item, words: sentence("superseded"), tone: "ended" };
  if (turn.status === "cancelled") return { ...item, words: sentence("cancelled"), tone: "ended" };
  return { ...item, words: sentence(turn.error?.code ?? ""), tone: "wrong", again: line.text };
}

function unsentMessage(item: OutboxMessage, state: ConversationState): Item[] {
  const message = plainMessage(item.key, item.text);
  if (item.turnId) return [message, ...earlyReply(item, state)];
  const words = item.undelivered ? "Not sent yet: it goes out when the server can be reached" : "Sending …";
  return [{ ...message, words, tone: "waiting", unsent: item.undelivered ? item : null }];
}

/** The stream may be faster than the list of open turns. */
function earlyReply(item: OutboxMessage, state: ConversationState): Item[] {
  if (!item.turnId || state.stream?.turnId !== item.turnId) return [];
  return [{ kind: "streamed", id: `answer-${item.turnId}`, stream: state.stream, agent: null, cancelling: false }];
}
