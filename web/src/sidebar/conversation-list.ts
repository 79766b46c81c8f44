// The list of conversations: page by page, asked for anew when something has happened and now and then.
import { useCallback, useEffect, useRef, useState } from "react";
import type { Api, ConversationRow, UserStorage } from "../client";
import { useTitles } from "./titles";

const PAGE = 30;
const BUSY_MS = 10_000; // while a conversation that is listed is being answered
const IDLE_MS = [45_000, 90_000, 180_000, 300_000]; // the longer nothing happens, the longer

export interface ConversationEntry {
  id: string;
  title: string;
  busy: boolean;
  at: string;
}

export interface ConversationList {
  /** Null until the server has answered. */
  entries: ConversationEntry[] | null;
  /** Whether there are more than these. */
  more: boolean;
  loadMore: () => void;
  refresh: () => void;
  /** Tells the first words of a conversation, so that they need not be asked for. */
  learnTitle: (id: string, text: string) => void;
}

interface Pages {
  rows: ConversationRow[];
  next: string | null;
}

export function useConversations(api: Api, storage: UserStorage): ConversationList {
  const [pages, setPages] = useState<Pages | null>(null);
  const latest = useRef(pages);
  latest.current = pages;
  const asking = useRef<Promise<void> | null>(null);
  const again = useRef(false);

  const refresh = useCallback(() => {
    if (asking.current) {
      again.current = true;
      return asking.current;
    }
    const ask = async () => {
      do {
        again.current = false;
        const [rows, next] = await api.conversations(PAGE);
        setPages((before) => merged(before, rows, next));
      } while (again.current);
    };
    // The conversation itself says that the server does not answer.
    asking.current = ask().catch(() => undefined).finally(() => (asking.current = null));
    return asking.current;
  }, [api]);

  const loadMore = useCallback(() => {
    const before = latest.current?.next;
    if (!before || asking.current) return;
    const ask = async () => {
      const [rows, next] = await api.conversations(PAGE, before);
      setPages((known) => known && { rows: unique([...known.rows, ...rows]), next });
    };
    asking.current = ask().catch(() => undefined).finally(() => (asking.current = null));
  }, [api]);

  useEffect(() => {
    let timer: ReturnType<typeof setTimeout>;
    let quiet = 0;
    const look = () => {
      clearTimeout(timer);
      if (document.visibilityState !== "visible") return;
      void refresh().then(() => {
        const busy = latest.current?.rows.some((row) => row.status === "busy");
        const idle = IDLE_MS[Math.min(quiet++, IDLE_MS.length - 1)]!;
        clearTimeout(timer);
        timer = setTimeout(look, busy ? BUSY_MS : idle);
      });
    };
    const wake = () => {
      quiet = 0;
      look();
    };
    look();
    addEventListener("focus", wake);
    document.addEventListener("visibilitychange", wake);
    return () => {
      clearTimeout(timer);
      removeEventListener("focus", wake);
      document.removeEventListener("visibilitychange", wake);
    };
  }, [refresh]);

  const rows = pages?.rows ?? null;
  const [titles, learnTitle] = useTitles(api, storage, rows);
  return {
    entries: rows && rows.map((row) => entryOf(row, titles)),
    more: Boolean(pages?.next),
    loadMore,
    refresh: useCallback(() => void refresh(), [refresh]),
    learnTitle,
  };
}

function entryOf(row: ConversationRow, titles: ReadonlyMap<string, string>): ConversationEntry {
  const { conversation_id: id, status, updated_at: at } = row;
  return { id, title: row.title ?? titles.get(id) ?? "", busy: status === "busy", at };
}

/** A new first page, and what was known behind it. */
function merged(before: Pages | null, rows: ConversationRow[], next: string | null): Pages {
  const last = rows.at(-1);
  const older = before && next && last ? before.rows.filter((row) => row.updated_at < last.updated_at) : [];
  return { rows: unique([...rows, ...older]), next: older.length ? before!.next : next };
}

function unique(rows: ConversationRow[]): ConversationRow[] {
  const seen = new Set<string>();
  return rows.filter((row) => !seen.has(row.conversation_id) && seen.add(row.conversation_id));
}
