import type { Strategy } from "../client";
import { Popover } from "../page/Popover";

const CHOICES: [Strategy, string, string][] = [
  ["enqueue", "Wait in line", "It is answered after the messages before it. This is what Send does."],
  ["steer", "Steer", "It joins the present answer at its next step; without one it waits in line."],
  ["interrupt", "Interrupt", "Stops the present answer and is answered next."],
  ["coalesce", "Add to next", "It joins the message that waits; they get one answer."],
  ["reject", "Only if free", "It is sent only if nothing is being answered; otherwise it comes back into the box."],
];

/** Sends a message that finds another one being answered in another way than in line. Nothing stays chosen. */
export function SendMenu({ onSend }: { onSend: (strategy: Strategy) => void }) {
  return (
    <Popover label="▾" name="Other ways to send" className="how" edge="end">
      {(close) =>
        CHOICES.map(([strategy, name, sentence]) => (
          <button
            type="button"
            key={strategy}
            onClick={() => {
              close();
              onSend(strategy);
            }}
          >
            <strong>{name}</strong>
            <span>{sentence}</span>
          </button>
        ))
      }
    </Popover>
  );
}
