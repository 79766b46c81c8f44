// The list of conversations: asked for now and then, each titled with its first words.
import { useCallback, useEffect, useRef, useState } from "react";
import type { Api } from "../api";

export interface ConversationEntry {
  id: string;
  title: string;
  busy: boolean;
}

const EVERY_MS = 15_000;
const TITLE_LENGTH = 60;

/** The list, and how to have it asked for now. */
export function useConversations(api: Api): [ConversationEntry[], () => void] {
  const [list, setList] = useState<ConversationEntry[]>([]);
  const titles = useRef(new Map<string, string>());
  const asking = useRef(false);

  const refresh = useCallback(async () => {
    if (asking.current) return;
    asking.current = true;
    try {
      const rows = await api.conversations();
      const show = () =>
        setList(
          rows.map((row) => ({
            id: row.conversation_id,
            title: titles.current.get(row.conversation_id) ?? "",
            busy: row.status === "busy",
          })),
        );
      show();
      for (const { conversation_id: id } of rows) {
        if (titles.current.has(id)) continue;
        const words = (await api.firstWords(id)).trim().split("\n")[0]!;
        if (words) titles.current.set(id, words.slice(0, TITLE_LENGTH));
        show();
      }
    } catch {
      // The conversation itself says that the server does not answer.
    } finally {
      asking.current = false;
    }
  }, [api]);

  useEffect(() => {
    const look = () => document.visibilityState === "visible" && void refresh();
    look();
    const timer = setInterval(look, EVERY_MS);
    addEventListener("focus", look);
    return () => {
      clearInterval(timer);
      removeEventListener("focus", look);
    };
  }, [refresh]);
  return [list, useCallback(() => void refresh(), [refresh])];
}
