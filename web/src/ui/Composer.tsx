import { type KeyboardEvent, type RefObject, useContext, useEffect, useId, useRef, useState, useSyncExternalStore } from "react";
import { Agents } from "../agents";
import { drafts } from "../chat/drafts";
import type { Strategy } from "../types";
import { StrategyChoice } from "./StrategyChoice";

interface Properties {
  conversation: string;
  busy: boolean;
  /** Whether something is being answered that can be stopped. */
  onStop: (() => void) | null;
  onSend: (text: string, strategy: Strategy, agent: string | null) => void;
  box: RefObject<HTMLTextAreaElement | null>;
}

export function Composer({ conversation, busy, onStop, onSend, box }: Properties) {
  const text = useSyncExternalStore(drafts.subscribe, () => drafts.get(conversation));
  const [chosen, setChosen] = useState<Strategy>("enqueue");
  const [agent, setAgent] = useState("");
  const agents = useContext(Agents);
  const hint = useId();
  const atStop = useRef(false);
  useEffect(() => {
    if (!busy) setChosen("enqueue");
  }, [busy]);
  useEffect(() => {
    if (onStop || !atStop.current) return;
    atStop.current = false; // the button is gone from under the finger
    box.current?.focus();
  }, [onStop, box]);

  function send(): void {
    if (!text.trim()) return;
    onSend(text.trim(), busy ? chosen : "enqueue", agent || null);
    drafts.set(conversation, "");
    box.current?.focus();
  }

  function pressed(event: KeyboardEvent): void {
    if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing) return;
    event.preventDefault();
    send();
  }

  return (
    <form
      className="composer"
      aria-label="Write a message"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      {busy && <StrategyChoice chosen={chosen} onChoose={setChosen} />}
      <div className="field">
        <textarea
          ref={box}
          rows={1}
          aria-label="Message"
          aria-describedby={hint}
          placeholder="Write a message"
          value={text}
          onChange={(event) => drafts.set(conversation, event.target.value)}
          onKeyDown={pressed}
        />
        {onStop && (
          <button
            type="button"
            onClick={onStop}
            onFocus={() => (atStop.current = true)}
            onBlur={() => (atStop.current = false)}
          >
            Stop<span className="hidden"> the answer</span>
          </button>
        )}
        <button className="primary" disabled={!text.trim()}>
          Send
        </button>
      </div>
      <div className="below">
        {agents.length > 1 && (
          <label className="to">
            To
            <select value={agent} onChange={(event) => setAgent(event.target.value)}>
              <option value="">the agent in charge</option>
              {agents.map(({ slug, name }) => (
                <option key={slug} value={slug}>
                  {name}
                </option>
              ))}
            </select>
          </label>
        )}
        <p id={hint} className="hint">
          Enter sends, Shift and Enter starts a new line.
        </p>
      </div>
    </form>
  );
}
