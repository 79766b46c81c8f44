// Light, dark, or as the system says. The choice is this browser's and no user's: it stays at sign-out. A script in
// index.html applies it before anything is painted.
import { useCallback, useState } from "react";

export type Theme = "system" | "light" | "dark";

const NAME = "multi-agent-chat-theme"; // index.html reads it too
const NEXT: Record<Theme, Theme> = { system: "light", light: "dark", dark: "system" };

/** The theme, and how to go on to the next one. */
export function useTheme(): [Theme, () => void] {
  const [theme, setTheme] = useState<Theme>(chosen);
  const change = useCallback(() => {
    const next = NEXT[chosen()];
    if (next === "system") {
      localStorage.removeItem(NAME);
      delete document.documentElement.dataset.theme;
    } else {
      localStorage.setItem(NAME, next);
      document.documentElement.dataset.theme = next;
    }
    setTheme(next);
  }, []);
  return [theme, change];
}

function chosen(): Theme {
  const theme = document.documentElement.dataset.theme;
  return theme === "light" || theme === "dark" ? theme : "system";
}
