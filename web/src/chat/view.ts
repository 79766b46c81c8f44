// What is on the page, in order: the transcript, what waits behind it, what is on its way.
import type { DynamicToolUIPart } from "ai";
import { sentence } from "../errors";
import type { Ending, Handoff, Line, TurnMessage, Turn } from "../types";
import type { Live } from "./live";
import type { Outgoing } from "./outbox";

export interface View {
  loaded: boolean;
  lines: Line[];
  open: Turn[];
  ends: ReadonlyMap<string, Ending>;
  cancelling: ReadonlySet<string>;
  outbox: Outgoing[];
  live: Live | null;
  told: ReadonlyMap<string, TurnMessage>;
  unreachable: boolean;
  notice: string;
}

export interface Asked {
  kind: "asked";
  id: string;
  text: string;
  /** Below the message; nothing where all is said by what follows. */
  words: string;
  tone: "waiting" | "ended" | "wrong" | "";
  /** What can be stopped or taken out of the queue. */
  turn: Turn | null;
  /** What can be taken back, as the server has not got it. */
  unsent: Outgoing | null;
  /** What can be sent again. */
  again: string | null;
}

export type Item =
  | Asked
  | { kind: "said"; id: string; agent: string | null; text: string; partial: boolean }
  | { kind: "handoff"; id: string; handoff: Handoff }
  | { kind: "tools"; id: string; calls: DynamicToolUIPart[] }
  | { kind: "live"; id: string; live: Live; agent: string | null; cancelling: boolean }
  | { kind: "thinking"; id: string; agent: string | null; cancelling: boolean };

export function arrange(view: View): Item[] {
  const open = new Map(view.open.map((turn) => [turn.turn_id, turn]));
  const items: Item[] = [];
  const asked = new Set<string>();
  const uses = new Map<string, DynamicToolUIPart[][]>();
  for (const line of view.lines) {
    const turn = open.get(line.turn_id);
    if (line.role === "user") {
      asked.add(line.turn_id);
      items.push(turn ? waiting(line.text, turn, view) : ended(line, view));
    } else if (!turn || !streams(view, line.turn_id)) {
      // Tools stand in no transcript: each is shown with the line of whoever used it, as the stream had it.
      const calls = uses.get(line.turn_id) ?? usesOf(view.told.get(line.turn_id));
      uses.set(line.turn_id, calls);
      const used = calls.shift();
      if (used?.length) items.push({ kind: "tools", id: `tools-${line.id}`, calls: used });
      items.push(...said(line, view));
    }
  }
  const unheard = view.open.filter((turn) => !asked.has(turn.turn_id));
  const active = view.open.find((turn) => !unheard.includes(turn)) ?? view.open.find((turn) => turn.status !== "queued");
  if (active && !unheard.includes(active)) items.push(answering(active, view));
  for (const turn of unheard) {
    items.push(waiting(turn.message, turn, view));
    if (turn === active) items.push(answering(turn, view));
  }
  for (const item of view.outbox) {
    const shown = view.open.some((turn) => turn.metadata.client_key === item.key);
    if (!shown && !(item.turnId && (open.has(item.turnId) || asked.has(item.turnId)))) items.push(...onItsWay(item, view));
  }
  return items;
}

const streams = (view: View, turn: string) => view.live?.turnId === turn && view.live.message !== null;

/** The tools that were used, one list between two handoffs. */
function usesOf(told: TurnMessage | undefined): DynamicToolUIPart[][] {
  const lists: DynamicToolUIPart[][] = [[]];
  for (const part of told?.parts ?? []) {
    if (part.type === "data-handoff") lists.push([]);
    if (part.type === "dynamic-tool") lists.at(-1)!.push(part);
  }
  return lists;
}

function answering(turn: Turn, view: View): Item {
  const cancelling = turn.cancel_requested || view.cancelling.has(turn.turn_id);
  const shared = { id: `answer-${turn.turn_id}`, agent: turn.agent, cancelling };
  if (view.live?.turnId === turn.turn_id) return { kind: "live", live: view.live, ...shared };
  return { kind: "thinking", ...shared };
}

function said(line: Line, view: View): Item[] {
  const items: Item[] = [];
  if (line.text) items.push({ kind: "said", id: line.id, agent: line.agent, text: line.text, partial: line.partial });
  if (line.handoff_to && line.agent) {
    const { agent: from, handoff_to: to } = line;
    const told = view.told.get(line.turn_id)?.parts.flatMap((part) => (part.type === "data-handoff" ? [part.data] : []));
    const made = (view.ends.get(line.turn_id)?.handoffs ?? told)?.find((one) => one.from === from && one.to === to);
    items.push({ kind: "handoff", id: `handoff-${line.id}`, handoff: made ?? { from, to } });
  }
  return items;
}

const bare = (id: string, text: string): Asked => ({
  ...{ kind: "asked", id, text, words: "", tone: "", turn: null, unsent: null, again: null },
});

function waiting(text: string, turn: Turn, view: View): Asked {
  const item = bare(turn.turn_id, text);
  const cancelling = turn.cancel_requested || view.cancelling.has(turn.turn_id);
  if (turn.position === 0) return { ...item, turn, words: cancelling ? "Stopping …" : "" };
  const before = turn.position === 1 ? "one message is before it" : `${turn.position} messages are before it`;
  const words = cancelling ? "Taking it out of the line …" : `Waiting in line: ${before}`;
  return { ...item, turn, words, tone: "waiting" };
}

function ended(line: Line, view: View): Asked {
  const item = bare(line.turn_id, line.text);
  const turn = view.ends.get(line.turn_id);
  if (!turn || turn.status === "completed") return item;
  if (turn.superseded_by) return { ...item, words: sentence("superseded"), tone: "ended" };
  if (turn.status === "cancelled") return { ...item, words: sentence("cancelled"), tone: "ended" };
  return { ...item, words: sentence(turn.error?.code ?? ""), tone: "wrong", again: line.text };
}

function onItsWay(item: Outgoing, view: View): Item[] {
  const asked = bare(item.key, item.text);
  if (item.turnId) return [asked, ...firstWords(item, view)];
  const words = item.waiting ? "Not sent yet: it goes out when the server can be reached" : "Sending …";
  return [{ ...asked, words, tone: "waiting", unsent: item.waiting ? item : null }];
}

/** The stream may be faster than the list of open turns. */
function firstWords(item: Outgoing, view: View): Item[] {
  if (!item.turnId || view.live?.turnId !== item.turnId) return [];
  return [{ kind: "live", id: `answer-${item.turnId}`, live: view.live, agent: null, cancelling: false }];
}
