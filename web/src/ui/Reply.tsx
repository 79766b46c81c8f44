import type { ReactNode } from "react";
import { colourOf, useAgentName } from "../agents";
import type { Handoff } from "../types";
import { Markdown } from "./Markdown";

/** What an agent says, under its name and in its colour. */
export function Speech({ agent, children }: { agent: string | null; children: ReactNode }) {
  const name = useAgentName(agent);
  const initials = name.split(" ").map((word) => word[0]?.toUpperCase() ?? "").slice(0, 2).join("");
  return (
    <div className="speech" style={colourOf(agent ?? "")}>
      <span className="badge" aria-hidden="true">
        {initials}
      </span>
      <div className="words">
        <p className="speaker">{name}</p>
        {children}
      </div>
    </div>
  );
}

export function Reply({ agent, text, partial }: { agent: string | null; text: string; partial: boolean }) {
  return (
    <Speech agent={agent}>
      <Markdown text={text} />
      {partial && <p className="cut">This answer was not finished.</p>}
    </Speech>
  );
}

export function HandoffLine({ handoff }: { handoff: Handoff }) {
  const from = useAgentName(handoff.from);
  const to = useAgentName(handoff.to);
  return (
    <p className="handed">
      <span className="agent" style={colourOf(handoff.from)}>
        {from}
      </span>
      <span className="hidden"> hands over to </span>
      <span aria-hidden="true"> → </span>
      <span className="agent" style={colourOf(handoff.to)}>
        {to}
      </span>
      {handoff.reason && <span>: {handoff.reason}</span>}
    </p>
  );
}

export function PendingReply({ agent, cancelling }: { agent: string | null; cancelling: boolean }) {
  return (
    <Speech agent={agent}>
      <p className="thinking">
        {cancelling ? "Stopping" : "Thinking"}
        <span className="dots" aria-hidden="true">
          <i /> <i /> <i />
        </span>
      </p>
    </Speech>
  );
}
