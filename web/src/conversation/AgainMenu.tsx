import { useContext } from "react";
import { Popover } from "../page/Popover";
import { Agents, colourOf } from "../page/agents";

interface Properties {
  /** Who answered. */
  name: string;
  /** Whether nothing was said after the answer. */
  last: boolean;
  onAgain: (agent: string | null) => void;
}

/** Has the same message answered once more, by the same agent or by another one. */
export function AgainMenu({ name, last, onAgain }: Properties) {
  const agents = useContext(Agents);
  return (
    <Popover label="Again" name={`Answer again, in the place of the answer of ${name}`} className="small">
      {(close) => {
        const again = (agent: string | null) => () => {
          close();
          onAgain(agent);
        };
        return (
          <>
            {!last && <p className="hint">It takes the place of this answer and of all that came after it.</p>}
            <button type="button" onClick={again(null)}>
              <strong>The agent that was asked</strong>
              <span>The same message, answered once more.</span>
            </button>
            {agents.map(({ slug, name: other, description }) => (
              <button type="button" key={slug} onClick={again(slug)}>
                <strong className="agent" style={colourOf(slug)}>
                  {other}
                </strong>
                <span>{description}</span>
              </button>
            ))}
          </>
        );
      }}
    </Popover>
  );
}
