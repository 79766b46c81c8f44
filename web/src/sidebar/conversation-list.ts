// The list of conversations: page by page, asked for anew when something has happened and now and then.
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import type { Api, ConversationChange, ConversationRow, Selection } from "../client";

const PAGE = 30;
const BUSY_MS = 10_000; // while a conversation that is listed is being answered
const IDLE_MS = [45_000, 90_000, 180_000, 300_000]; // the longer nothing happens, the longer
const LIVE_MS = 600_000; // where changes are told of
const SOON_MS = 300;
const TYPING_MS = 200;

export interface ConversationList {
  /** Null until the server has answered. */
  rows: ConversationRow[] | null;
  /** Whether there are more than these. */
  more: boolean;
  loadMore: () => void;
  refresh: () => void;
  /** The same in a moment, however often it is asked for until then. */
  soon: () => void;
  selection: Required<Selection>;
  select: (selection: Selection) => void;
  /** Changes a conversation; shown at once, and put right by the server where it refuses. */
  change: (id: string, patch: ConversationChange) => Promise<void>;
  /** Takes out of sight what is about to be deleted, or brings it back. */
  hide: (id: string, hidden: boolean) => void;
}

interface Pages {
  rows: ConversationRow[];
  next: string | null;
}

export function useConversations(api: Api, live: boolean): ConversationList {
  const [selection, setSelection] = useState({ q: "", archived: false });
  const [pages, setPages] = useState<Pages | null>(null);
  const [hidden, setHidden] = useState<ReadonlySet<string>>(new Set());
  const latest = useRef(pages);
  latest.current = pages;
  const reading = useRef<Reading | null>(null);
  const anew = useRef(true);

  const refresh = useCallback((): Promise<void> => {
    reading.current ??= new Reading();
    return reading.current.run("first", async (isWanted) => {
      const [rows, next] = await api.conversations(PAGE, null, selection);
      if (!isWanted()) return;
      const before = anew.current ? null : latest.current;
      anew.current = false;
      setPages(merged(before, rows, next));
    });
  }, [api, selection]);

  const loadMore = useCallback(() => {
    const before = latest.current?.next;
    if (!before) return;
    void (reading.current ??= new Reading()).run("next", async (isWanted) => {
      const [rows, next] = await api.conversations(PAGE, before, selection);
      if (isWanted()) setPages((known) => known && { rows: unique([...known.rows, ...rows]), next });
    });
  }, [api, selection]);

  const select = useCallback((wanted: Selection) => {
    reading.current?.leave();
    reading.current = null;
    anew.current = true;
    if (wanted.archived !== undefined) setPages(null); // while one types, what was found stays until the next is
    setSelection((before) => ({ ...before, ...wanted }));
  }, []);

  const change = useCallback(
    async (id: string, patch: ConversationChange) => {
      const { archived } = patch;
      setPages((known) => {
        if (!known) return known;
        const stay = known.rows.filter((row) => archived === undefined || row.conversation_id !== id);
        return { ...known, rows: stay.map((row) => (row.conversation_id === id ? { ...row, ...patch } : row)) };
      });
      await api.change(id, patch).finally(() => void refresh());
    },
    [api, refresh],
  );

  const hide = useCallback((id: string, gone: boolean) => {
    setHidden((before) => {
      const now = new Set(before);
      if (gone) now.add(id);
      else now.delete(id);
      return now;
    });
  }, []);

  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const soon = useCallback(() => {
    clearTimeout(timer.current);
    timer.current = setTimeout(() => void refresh(), SOON_MS);
  }, [refresh]);

  const pause = useCallback(
    (quiet: number) => {
      if (live) return LIVE_MS;
      const busy = latest.current?.rows.some((row) => row.status === "busy");
      return busy ? BUSY_MS : IDLE_MS[Math.min(quiet, IDLE_MS.length - 1)]!;
    },
    [live],
  );
  usePolling(refresh, pause, selection.q);
  return {
    rows: useMemo(() => pages && pages.rows.filter((row) => !hidden.has(row.conversation_id)), [pages, hidden]),
    more: Boolean(pages?.next),
    loadMore,
    refresh: useCallback(() => void refresh(), [refresh]),
    soon,
    selection,
    select,
    change,
    hide,
  };
}

type Work = (isWanted: () => boolean) => Promise<void>;

/** Reads one page at a time: the first one again, the next one, each as often as was asked for meanwhile, once. */
class Reading {
  private running: Promise<void> | null = null;
  private readonly works = new Map<"first" | "next", Work>();
  private left = false;

  run(which: "first" | "next", work: Work): Promise<void> {
    this.works.set(which, work);
    return (this.running ??= this.all().finally(() => (this.running = null)));
  }

  /** What is still read is of no use any more. */
  leave(): void {
    this.left = true;
  }

  private async all(): Promise<void> {
    for (let [first] = this.works; first && !this.left; [first] = this.works) {
      const [which, work] = first;
      this.works.delete(which);
      await work(() => !this.left).catch(() => undefined); // the conversation itself says that the server does not answer
    }
  }
}

/** Reads anew on each change of what is wanted, when the page comes back into sight, and ever more seldom in between. */
function usePolling(refresh: () => Promise<void>, pause: (quiet: number) => number, typed: string): void {
  const searched = useRef(typed);
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout>;
    let quiet = 0;
    const look = () => {
      clearTimeout(timer);
      if (document.visibilityState !== "visible") return;
      void refresh().then(() => {
        clearTimeout(timer);
        timer = setTimeout(look, pause(quiet++));
      });
    };
    const wake = () => {
      quiet = 0;
      look();
    };
    const typing = searched.current !== typed;
    searched.current = typed;
    timer = setTimeout(look, typing ? TYPING_MS : 0);
    addEventListener("focus", wake);
    document.addEventListener("visibilitychange", wake);
    return () => {
      clearTimeout(timer);
      removeEventListener("focus", wake);
      document.removeEventListener("visibilitychange", wake);
    };
  }, [refresh, pause, typed]);
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
