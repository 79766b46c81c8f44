// Says that an answer has come while its reader was elsewhere, in another conversation or at something else than this page:
// a number in the title, and a notification where the reader has asked for them.
import { useCallback, useEffect, useRef, useState } from "react";
import type { Agent, ConversationRow } from "../client";
import { nameOf } from "./agents";

const TITLE = "Multi-agent chat";
const WANTED = "multi-agent-chat-notifications"; // this browser's and no user's, as the theme is
const LONGEST = 120; // characters of a notification

const missed = new Map<string, number>(); // answers by conversation
let shown: string | null = null;
let open = (_conversation: string) => {};

const isLooking = () => document.visibilityState === "visible" && document.hasFocus();

function look(): void {
  if (shown !== null && isLooking()) missed.delete(shown);
  const count = [...missed.values()].reduce((sum, one) => sum + one, 0);
  document.title = count ? `(${count}) ${TITLE}` : TITLE;
}

/** Tells of an answer, unless its reader is looking at it. */
export function announce(conversation: string, agent: string, text: string): void {
  if (conversation === shown && isLooking()) return;
  missed.set(conversation, (missed.get(conversation) ?? 0) + 1);
  look();
  if (!supported() || Notification.permission !== "granted" || localStorage.getItem(WANTED) !== "on") return;
  // Several tabs that tell of the same answer show it once.
  const notification = new Notification(agent, { body: text.slice(0, LONGEST), tag: conversation });
  notification.onclick = () => {
    window.focus();
    open(conversation);
    notification.close();
  };
}

/** Watches which conversation is in sight, and tells of answers in the others of the list. */
export function useAttention(current: string, rows: ConversationRow[] | null, agents: Agent[], onOpen: (id: string) => void): void {
  useEffect(() => {
    [shown, open] = [current, onOpen];
    look();
  }, [current, onOpen]);
  useEffect(() => {
    addEventListener("focus", look);
    document.addEventListener("visibilitychange", look);
    return () => {
      removeEventListener("focus", look);
      document.removeEventListener("visibilitychange", look);
      shown = null;
      missed.clear();
      look();
    };
  }, []);
  const unread = useRef(new Map<string, number>());
  useEffect(() => {
    for (const row of rows ?? []) {
      const id = row.conversation_id;
      const before = unread.current.get(id); // none for one that is listed for the first time
      unread.current.set(id, row.unread);
      if (id === current) continue; // what is said in it is told of by itself
      if (before !== undefined && row.unread > before) announce(id, nameOf(agents, row.agent), row.preview ?? "");
      if (!row.unread) missed.delete(id); // read elsewhere
    }
    look();
  }, [rows, current, agents]);
}

const supported = () => "Notification" in window;

export type Notifications = "on" | "off" | "blocked";

const wanted = (): Notifications => {
  if (Notification.permission === "denied") return "blocked";
  return Notification.permission === "granted" && localStorage.getItem(WANTED) === "on" ? "on" : "off";
};

/** Whether notifications are wanted (null where there are none), and how to change that. The browser asks only then. */
export function useNotifications(): [Notifications | null, () => void] {
  const [state, setState] = useState(() => (supported() ? wanted() : null));
  const change = useCallback(() => {
    if (state === "on") {
      localStorage.removeItem(WANTED);
      return setState("off");
    }
    void Notification.requestPermission().then((answer) => {
      if (answer === "granted") localStorage.setItem(WANTED, "on");
      setState(wanted());
    });
  }, [state]);
  return [state, change];
}
