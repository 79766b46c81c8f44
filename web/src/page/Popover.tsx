import { type ReactNode, useEffect, useId, useRef, useState } from "react";

interface Properties {
  /** What the button shows, and its whole name where that differs. */
  label: ReactNode;
  name?: string;
  className?: string;
  /** Which edge of the button the panel is flush with. */
  edge?: "start" | "end";
  /** What is in the panel; `close` closes it. */
  children: (close: () => void) => ReactNode;
}

const GAP = 6;

/** A button and a panel of further buttons, above it where there is room. The browser closes it on Escape or a click elsewhere. */
export function Popover({ label, name, className, edge = "start", children }: Properties) {
  const id = useId();
  const button = useRef<HTMLButtonElement>(null);
  const panel = useRef<HTMLDivElement>(null);
  const [open, setOpen] = useState(false);

  useEffect(() => {
    if (!open) return;
    place();
    items()[0]?.focus();
    const close = () => panel.current?.hidePopover();
    addEventListener("resize", close);
    return () => removeEventListener("resize", close);
  }, [open]);

  function place(): void {
    const at = button.current!.getBoundingClientRect();
    const style = panel.current!.style;
    const { width, height } = panel.current!.getBoundingClientRect();
    const left = edge === "start" ? at.left : at.right - width;
    style.left = `${Math.max(GAP, Math.min(left, innerWidth - width - GAP))}px`;
    const above = at.top - height - GAP;
    style.top = `${above >= GAP ? above : Math.max(GAP, Math.min(at.bottom + GAP, innerHeight - height - GAP))}px`;
  }

  const items = () => [...(panel.current?.querySelectorAll<HTMLButtonElement>("button:not(:disabled)") ?? [])];

  function move(event: React.KeyboardEvent): void {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const all = items();
    const at = all.indexOf(document.activeElement as HTMLButtonElement);
    all[(at + step + all.length) % all.length]?.focus();
  }

  return (
    <>
      <button
        type="button"
        ref={button}
        className={className}
        popoverTarget={id}
        aria-expanded={open}
        aria-label={name}
      >
        {label}
      </button>
      <div
        id={id}
        ref={panel}
        className="popover"
        popover="auto"
        role="group"
        aria-label={name}
        onToggle={(event) => setOpen(event.newState === "open")}
        onKeyDown={move}
      >
        {open && children(() => panel.current?.hidePopover())}
      </div>
    </>
  );
}
