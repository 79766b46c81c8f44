// Says that an answer has come while its reader was elsewhere: a number in the title, and a notification where the
// reader has asked for them.
import { useCallback, useState } from "react";

const TITLE = "Multi-agent chat";
const WANTED = "notifications";

let missed = 0;

addEventListener("focus", seen);
document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && seen());

function seen(): void {
  missed = 0;
  document.title = TITLE;
}

/** Tells of an answer, unless its reader is looking. */
export function announce(agent: string, text: string): void {
  if (document.visibilityState === "visible" && document.hasFocus()) return;
  missed += 1;
  document.title = `(${missed}) ${TITLE}`;
  if (!supported() || Notification.permission !== "granted" || localStorage.getItem(WANTED) !== "on") return;
  const notification = new Notification(agent, { body: text.slice(0, 120), tag: "answer" });
  notification.onclick = () => {
    window.focus();
    notification.close();
  };
}

const supported = () => "Notification" in window;

/** Whether notifications are wanted (null where there are none), and how to change that. */
export function useNotifications(): [boolean | null, () => void] {
  const [on, setOn] = useState(() =>
    supported() ? Notification.permission === "granted" && localStorage.getItem(WANTED) === "on" : null,
  );
  const change = useCallback(() => {
    if (on) {
      localStorage.removeItem(WANTED);
      setOn(false);
      return;
    }
    void Notification.requestPermission().then((answer) => {
      if (answer === "granted") localStorage.setItem(WANTED, "on");
      setOn(answer === "granted");
    });
  }, [on]);
  return [on, change];
}
