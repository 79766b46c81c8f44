import { useContext } from "react";
import { Popover } from "../page/Popover";
import { Agents, colourOf, nameOf } from "../page/agents";

interface Properties {
  /** Whom the next message goes to; null for the agent in charge. */
  chosen: string | null;
  inCharge: string | null;
  onChoose: (slug: string | null) => void;
}

/** Names who will answer, and offers the others. */
export function AgentMenu({ chosen, inCharge, onChoose }: Properties) {
  const agents = useContext(Agents);
  if (agents.length < 2) return null;
  const name = chosen || inCharge ? nameOf(agents, chosen ?? inCharge) : "the agent in charge";
  return (
    <Popover
      className="to"
      name={`To ${name}. Choose who answers`}
      label={
        <>
          To <span className="agent" style={colourOf(chosen ?? inCharge ?? "")}>{name}</span> <span aria-hidden="true">▾</span>
        </>
      }
    >
      {(close) => {
        const choose = (slug: string | null) => {
          onChoose(slug);
          close();
        };
        return (
          <>
            <button type="button" aria-pressed={chosen === null} onClick={() => choose(null)}>
              <strong>The agent in charge</strong>
              <span>{inCharge ? `At present ${nameOf(agents, inCharge)}.` : "The one that has the conversation at that time."}</span>
            </button>
            {agents.map((agent) => (
              <button
                type="button"
                key={agent.slug}
                aria-pressed={chosen === agent.slug}
                onClick={() => choose(agent.slug)}
              >
                <strong className="agent" style={colourOf(agent.slug)}>
                  {agent.name}
                </strong>
                <span>{agent.description}</span>
              </button>
            ))}
          </>
        );
      }}
    </Popover>
  );
}
