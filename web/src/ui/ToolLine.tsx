import type { DynamicToolUIPart } from "ai";
import { colourOf, useAgentName } from "../agents";

/** A call of a function or of another agent: one line, which opens on demand. */
export function ToolLine({ part }: { part: DynamicToolUIPart }) {
  const asked = part.toolName.startsWith("ask_") ? part.toolName.slice(4) : null;
  const agent = useAgentName(asked);
  const what = asked ? `asked ${agent}` : `used ${part.toolName.replaceAll("_", " ")}`;
  const failed = part.state === "output-error";
  const over = failed || part.state === "output-available";
  return (
    <details className="tool" style={colourOf(asked ?? "")}>
      <summary>
        {over ? what.replace(/^./, (letter) => letter.toUpperCase()) : `${asked ? "Asking" : "Using"} ${what.split(" ").slice(1).join(" ")} …`}
        {failed && <span className="wrong"> (it failed)</span>}
      </summary>
      <dl>
        <dt>Given</dt>
        <dd>{show(part.input)}</dd>
        {over && <dt>{failed ? "Error" : "Result"}</dt>}
        {over && <dd>{failed ? part.errorText : show(part.output)}</dd>}
      </dl>
    </details>
  );
}

const show = (value: unknown) => (typeof value === "string" ? value : JSON.stringify(value, null, 2));
