import type { ToolCall } from "../client";
import { colourOf, useAgentName } from "../page/agents";

/** A call of a function or of another agent: one line, which opens on demand. */
export function ToolLine({ call }: { call: ToolCall }) {
  const asked = call.name.startsWith("ask_") ? call.name.slice(4) : null;
  const agent = useAgentName(asked);
  const whom = asked ? agent : call.name.replaceAll("_", " ");
  const failed = call.state === "failed";
  const over = failed || call.state === "done";
  return (
    <details className="tool" style={colourOf(asked ?? "")}>
      <summary>
        {over ? `${asked ? "Asked" : "Used"} ${whom}` : `${asked ? "Asking" : "Using"} ${whom} …`}
        {failed && <span className="wrong"> (it failed)</span>}
      </summary>
      <dl>
        <dt>Given</dt>
        <dd dir="auto">{show(call.input)}</dd>
        {over && <dt>{failed ? "Error" : "Result"}</dt>}
        {over && <dd dir="auto">{show(call.output)}</dd>}
      </dl>
    </details>
  );
}

const show = (value: unknown) => (typeof value === "string" ? value : JSON.stringify(value, null, 2));
