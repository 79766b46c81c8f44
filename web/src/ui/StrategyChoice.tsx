import type { Strategy } from "../types";

const CHOICES: [Strategy, string, string][] = [
  ["enqueue", "Wait in line", "It is answered after the messages before it."],
  ["interrupt", "Interrupt", "Stops the present answer and is answered next."],
  ["coalesce", "Add to next", "It joins the messages that wait; they get one answer."],
  ["reject", "Only if free", "It is sent only if nothing is being answered; otherwise it comes back into the box."],
];

/** What a message is to do that finds another one being answered. */
export function StrategyChoice({ chosen, onChoose }: { chosen: Strategy; onChoose: (strategy: Strategy) => void }) {
  return (
    <fieldset className="strategies">
      <legend>An answer is under way. Your next message is to</legend>
      {CHOICES.map(([value, label, title]) => (
        <label key={value} title={title}>
          <input type="radio" name="strategy" value={value} checked={chosen === value} onChange={() => onChoose(value)} />
          <span>{label}</span>
        </label>
      ))}
    </fieldset>
  );
}
