import type { ToolCall } from "../client";
import { colourOf, useAgentName } from "../page/agents";

const LONGEST = 4000; // characters of what is shown, as of what the transcript keeps
const DENIED = '{"error": {"code": "denied"';

/** A call of a function or of another agent: one line, which opens on demand. `over`: its answer has ended. */
export function ToolLine({ call, over }: { call: ToolCall; over: boolean }) {
  const { name, state, input, output } = call;
  const question = name === "ask_user" ? ((input as { question?: unknown } | null)?.question ?? "") : null;
  const asked = question === null && name.startsWith("ask_") ? name.slice(4) : null;
  const agent = useAgentName(asked);
  const whom = question === null ? (asked ? agent : name.replaceAll("_", " ")) : "you";
  const asks = asked !== null || question !== null;
  const ended = over || state !== "open";
  return (
    <details className="tool" style={colourOf(asked ?? "")}>
      <summary>
        {ended ? `${asks ? "Asked" : "Used"} ${whom}` : `${asks ? "Asking" : "Using"} ${whom} …`}
        {question && <span dir="auto">: {String(question)}</span>}
        {ended && state !== "done" && <span className="wrong"> ({outcomeOf(call)})</span>}
      </summary>
      <dl>
        <dt>Given</dt>
        <dd dir="auto">{show(input)}</dd>
        {state !== "open" && <dt>{state === "failed" ? "Error" : "Result"}</dt>}
        {state !== "open" && <dd dir="auto">{show(output)}</dd>}
      </dl>
    </details>
  );
}

function outcomeOf({ state, output }: ToolCall): string {
  if (state === "open") return "not answered";
  return typeof output === "string" && output.startsWith(DENIED) ? "not allowed" : "it failed";
}

function show(value: unknown): string {
  const text = typeof value === "string" ? value : (JSON.stringify(value, null, 2) ?? "");
  return text.length > LONGEST ? `${text.slice(0, LONGEST)} …` : text;
}
