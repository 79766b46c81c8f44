import { type KeyboardEvent, type RefObject, useEffect, useId, useRef, useState, useSyncExternalStore } from "react";
import type { Strategy } from "../client";
import { AgentMenu } from "./AgentMenu";
import { SendMenu } from "./SendMenu";
import type { Drafts } from "./drafts";
import { MOST_CHARACTERS, charactersLeft, cleaned } from "./message-text";

/** A message that is being changed: one that waits in line, or one that was sent and is sent anew in its place. */
export interface Editing {
  turn: string;
  text: string;
  waits: boolean;
}

interface Properties {
  conversation: string;
  drafts: Drafts;
  busy: boolean;
  inCharge: string | null;
  /** Whether something is being answered that can be stopped. */
  onStop: (() => void) | null;
  onSend: (text: string, strategy: Strategy, agent: string | null) => void;
  /** The message that is being changed. */
  editing: Editing | null;
  onEdited: (text: string) => void;
  onLeaveEditing: () => void;
  /** Up in an empty box. */
  onEditLast: () => void;
  box: RefObject<HTMLTextAreaElement | null>;
}

export function Composer(properties: Properties) {
  const { conversation, drafts, busy, inCharge, onStop, onSend, editing, box } = properties;
  const draft = useSyncExternalStore(drafts.subscribe, () => drafts.get(conversation));
  const [edited, setEdited] = useState("");
  const [agent, setAgent] = useState<string | null>(null);
  const hint = useId();
  const text = editing ? edited : draft;
  const left = charactersLeft(text);
  const sendable = text.trim() !== "" && (left ?? 0) >= 0;
  useEffect(() => {
    if (!editing) return;
    setEdited(editing.text);
    box.current?.focus();
  }, [editing, box]);
  useGrowth(box, text);
  const stop = useFocusAfterStop(onStop, box);

  function write(value: string): void {
    if (editing) setEdited(cleaned(value));
    else drafts.set(conversation, cleaned(value));
  }

  function send(strategy: Strategy): void {
    box.current?.focus();
    if (!sendable) return;
    if (editing) return properties.onEdited(text.trim());
    onSend(text.trim(), strategy, agent);
    drafts.set(conversation, "");
  }

  function pressed(event: KeyboardEvent): void {
    if (event.nativeEvent.isComposing) return;
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      send("enqueue");
    } else if (event.key === "ArrowUp" && !text && !editing) {
      event.preventDefault();
      properties.onEditLast();
    }
  }

  return (
    <form
      className="composer"
      aria-label="Write a message"
      onSubmit={(event) => {
        event.preventDefault();
        send("enqueue");
      }}
    >
      {editing && (
        <p className="editing" role="status">
          {editing.waits
            ? "You are editing a message that waits."
            : "You are editing a message that was sent. Sent again, it takes its place; what came after it goes."}
          <button type="button" className="text" onClick={properties.onLeaveEditing}>
            Leave it as it was
          </button>
        </p>
      )}
      <div className="field">
        <textarea
          ref={box}
          rows={1}
          dir="auto"
          aria-label="Message"
          aria-describedby={hint}
          aria-invalid={left !== null && left < 0}
          placeholder="Write a message"
          value={text}
          onChange={(event) => write(event.target.value)}
          onKeyDown={pressed}
        />
        {onStop && (
          <button type="button" onClick={onStop} {...stop}>
            Stop<span className="hidden"> the answer</span>
          </button>
        )}
        <button className="primary" disabled={!sendable}>
          {editing?.waits ? "Save" : "Send"}
        </button>
        {busy && !editing && sendable && <SendMenu onSend={send} />}
      </div>
      <div className="below">
        <AgentMenu chosen={agent} inCharge={inCharge} onChoose={setAgent} />
        {left !== null && (
          <p className={left < 0 ? "count wrong" : "count"} role="status">
            {left < 0
              ? `Too long by ${(-left).toLocaleString()} of ${MOST_CHARACTERS.toLocaleString()} letters. Shorten it or send it in parts.`
              : `Room for ${left.toLocaleString()} more letters.`}
          </p>
        )}
        <p id={hint} className="hint">
          Enter sends, Shift and Enter starts a new line.
        </p>
      </div>
    </form>
  );
}

/** Lets the box grow with its text where the browser does not by itself. */
function useGrowth(box: RefObject<HTMLTextAreaElement | null>, text: string): void {
  useEffect(() => {
    const field = box.current;
    if (!field || CSS.supports("field-sizing", "content")) return;
    field.style.height = "auto";
    field.style.height = `${field.scrollHeight}px`;
  }, [box, text]);
}

/** The stop button goes away when the answer ends: a focus that was on it goes to the box. */
function useFocusAfterStop(onStop: unknown, box: RefObject<HTMLTextAreaElement | null>) {
  const atStop = useRef(false);
  useEffect(() => {
    if (onStop || !atStop.current) return;
    atStop.current = false;
    box.current?.focus();
  }, [onStop, box]);
  return { onFocus: () => (atStop.current = true), onBlur: () => (atStop.current = false) };
}
