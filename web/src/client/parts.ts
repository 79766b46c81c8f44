// What an answer is made of, in order: as a stream tells it, and as the transcript does.
import type { Handoff, Image, Line, Source, ToolCall } from "./types";

export type StreamPart =
  | { kind: "text"; id: string; text: string }
  | { kind: "tool"; id: string; call: ToolCall }
  | { kind: "image"; id: string; image: Image }
  | { kind: "source"; id: string; source: Source }
  | { kind: "handoff"; id: string; handoff: Handoff }
  /** A message that has joined the answer here; its id is that of its turn. */
  | { kind: "steered"; id: string; text: string };

/** A line of the transcript: its words with its calls at their places, and at its end what was drawn and what it cites. */
export function partsOf({ text, calls, images = [], sources = [] }: Line): StreamPart[] {
  const parts: StreamPart[] = [];
  const characters = calls.length ? [...text] : [];
  let from = 0;
  const say = (words: string) => {
    if (words.trim()) parts.push({ kind: "text", id: `text-${parts.length}`, text: words.trim() });
  };
  for (const call of calls) {
    say(characters.slice(from, call.at).join(""));
    from = Math.max(from, call.at);
    parts.push({ kind: "tool", id: call.call_id, call });
  }
  say(calls.length ? characters.slice(from).join("") : text);
  parts.push(...images.map((image) => ({ kind: "image", id: image.image_id, image }) as const));
  return [...parts, ...sources.map((source, at) => ({ kind: "source", id: `source-${at}`, source }) as const)];
}
