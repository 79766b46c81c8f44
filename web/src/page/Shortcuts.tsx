import { useEffect, useRef, type RefObject } from "react";

const KEYS: [string, string][] = [
  ["Enter", "Send the message"],
  ["Shift Enter", "Start a new line"],
  ["Esc", "Stop the answer, or leave what you are editing"],
  ["↑ in an empty box", "Edit the last message: one that waits, or the last that was sent"],
  ["/", "Go to the message box"],
  ["Ctrl Shift O", "Start a new conversation"],
  ["?", "Show this list"],
];

/** The list of shortcuts, in a dialog of its own. */
export function Shortcuts({ dialog }: { dialog: RefObject<HTMLDialogElement | null> }) {
  return (
    <dialog ref={dialog} className="sheet" aria-labelledby="shortcuts">
      <h2 id="shortcuts">Keyboard shortcuts</h2>
      <dl className="keys">
        {KEYS.map(([keys, does]) => (
          <div key={keys}>
            <dt>
              <kbd>{keys}</kbd>
            </dt>
            <dd>{does}</dd>
          </div>
        ))}
      </dl>
      <form method="dialog">
        <button className="primary">Close</button>
      </form>
    </dialog>
  );
}

interface Actions {
  onNew: () => void;
  onShortcuts: () => void;
}

/** The shortcuts that hold wherever the focus is. Those of the message box are the box's own. */
export function useShortcuts(actions: Actions): void {
  const latest = useRef(actions);
  latest.current = actions;
  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      if (event.defaultPrevented || document.querySelector("dialog[open], :popover-open")) return;
      if (event.ctrlKey && event.shiftKey && event.key.toLowerCase() === "o") {
        event.preventDefault();
        latest.current.onNew();
      }
      if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
      if (event.key === "?") latest.current.onShortcuts();
      if (event.key === "/") {
        event.preventDefault();
        document.querySelector<HTMLTextAreaElement>(".composer textarea")?.focus();
      }
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, []);
}

const isTyping = (target: EventTarget | null) =>
  target instanceof HTMLElement && (target.isContentEditable || /^(input|textarea|select)$/i.test(target.tagName));
