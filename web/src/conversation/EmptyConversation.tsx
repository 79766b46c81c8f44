import { useContext } from "react";
import { Agents, colourOf } from "../page/agents";

const STARTERS = [
  "Write a script about a lighthouse.",
  "Describe the scenes of a short film about rain.",
  "Write an image prompt for a poster of a night train.",
];

/** What stands where nothing has been said yet: who is there, and first messages to begin with. */
export function EmptyConversation({ starters = STARTERS, onStart }: { starters?: string[]; onStart: (text: string) => void }) {
  const agents = useContext(Agents);
  return (
    <div className="empty">
      <h2>What shall we make?</h2>
      <p>Write as many messages as you like, as fast as you like. They are answered in order.</p>
      <ul className="starters" aria-label="Ways to begin">
        {starters.map((text) => (
          <li key={text}>
            <button type="button" dir="auto" onClick={() => onStart(text)}>
              {text}
            </button>
          </li>
        ))}
      </ul>
      {agents.length > 0 && (
        <ul className="team" aria-label="Here for you">
          {agents.map(({ slug, name, description }) => (
            <li key={slug} style={colourOf(slug)} title={description}>
              <span className="agent">{name}</span>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}
