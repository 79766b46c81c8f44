import { useEffect, useState } from "react";

const THANKS_MS = 2000;

/** Copies a text, and says for a moment that it has. */
export function CopyButton({ text, of }: { text: string; of: string }) {
  const [state, setState] = useState<"" | "Copied" | "Not copied">("");
  useEffect(() => {
    if (!state) return;
    const timer = setTimeout(() => setState(""), THANKS_MS);
    return () => clearTimeout(timer);
  }, [state]);
  const copy = () => navigator.clipboard.writeText(text).then(
    () => setState("Copied"),
    () => setState("Not copied"),
  );
  return (
    <button type="button" className="small" onClick={() => void copy()} aria-label={`Copy ${of}`}>
      <span aria-live="polite">{state || "Copy"}</span>
    </button>
  );
}
