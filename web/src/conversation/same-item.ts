// Whether two items of a timeline look the same: what does is not drawn again, however often the timeline is made anew.
import type { StreamPart } from "../client";
import type { TimelineItem } from "./timeline";

export function isSame(one: TimelineItem, other: TimelineItem): boolean {
  const names = Object.keys(one);
  if (names.length !== Object.keys(other).length) return false;
  return names.every((name) => {
    const a = one[name as keyof TimelineItem] as unknown;
    const b = other[name as keyof TimelineItem] as unknown;
    if (name === "parts") return haveSameParts(a as StreamPart[], b as StreamPart[]);
    if (name === "retry") return JSON.stringify(a) === JSON.stringify(b);
    return Object.is(a, b);
  });
}

function haveSameParts(one: StreamPart[], other: StreamPart[]): boolean {
  return one.length === other.length && one.every((part, at) => isSamePart(part, other[at]!));
}

function isSamePart(one: StreamPart, other: StreamPart): boolean {
  if (one.kind === "text") return other.kind === "text" && one.text === other.text;
  if (one.kind === "image") return other.kind === "image" && one.id === other.id;
  if (one.kind === "source") return other.kind === "source" && one.id === other.id;
  return one.kind === "tool" && other.kind === "tool" && one.call === other.call;
}
