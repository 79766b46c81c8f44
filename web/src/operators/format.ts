// Numbers as operators read them.
import type { Details, Span } from "./types";

const WHOLE = new Intl.NumberFormat();
const SHARE = new Intl.NumberFormat(undefined, { style: "percent", maximumFractionDigits: 2 });

export const count = (value: number) => WHOLE.format(value);
export const share = (value: number) => SHARE.format(value);

/** Milliseconds, with about three digits. */
export function duration(ms: number | null | undefined): string {
  if (ms === null || ms === undefined) return "–";
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`;
  const seconds = Math.round(ms / 1000);
  return seconds < 3600
    ? `${Math.floor(seconds / 60)} min ${seconds % 60} s`
    : `${Math.floor(seconds / 3600)} h ${Math.round((seconds % 3600) / 60)} min`;
}

/** The beginning of an id: enough to tell it from others on one page. */
export const brief = (id: string) => (id.length > 12 ? `${id.slice(0, 8)}…` : id);

/** What a span of time was spent on. */
export function spentOn(span: Span): string {
  switch (span.kind) {
    case "queued":
      return span.other_turn_id ? `in line behind turn ${brief(span.other_turn_id)}` : "in line";
    case "starting":
      return "being started";
    case "blocked":
      return span.run_id ? `blocked by run ${span.run_id}` : "blocked by another run";
    case "deferred":
      return `put off${span.code ? `: ${span.code}` : ""}`;
    case "run":
      return `run of ${span.agent ?? "?"}${failing(span)}`;
    case "tool":
      return `tool ${span.tool ?? "?"}${failing(span)}`;
    default:
      return span.kind;
  }
}

function failing(span: Details): string {
  return span.code && span.code !== "completed" ? `: ${span.code}` : "";
}
