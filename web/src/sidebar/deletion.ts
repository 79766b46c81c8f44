// Deleting a conversation: it goes from the list at once and from the server when it is too late to undo it.
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import type { Api, ConversationRow } from "../client";
import type { ConversationList } from "./conversation-list";

const UNDO_MS = 6000;

interface Waiting {
  row: ConversationRow;
  send: () => void;
  timer: ReturnType<typeof setTimeout>;
}

export interface Deletion {
  /** What can still be brought back. */
  undoable: ConversationRow | null;
  /** Whether the last one was refused, or reached no server. */
  failed: boolean;
  remove: (row: ConversationRow) => void;
  undo: () => void;
}

export function useDeletion(api: Api, list: Pick<ConversationList, "hide" | "refresh">): Deletion {
  const [undoable, setUndoable] = useState<ConversationRow | null>(null);
  const [failed, setFailed] = useState(false);
  const waiting = useRef<Waiting | null>(null);
  const { hide, refresh } = list;

  /** Sends the deletion that waits, if one does. */
  const flush = useCallback(() => {
    const due = waiting.current;
    if (!due) return;
    clearTimeout(due.timer);
    waiting.current = null;
    setUndoable(null);
    due.send();
  }, []);

  const remove = useCallback(
    (row: ConversationRow) => {
      flush();
      setFailed(false);
      hide(row.conversation_id, true);
      setUndoable(row);
      const ready = api.removal(row.conversation_id);
      let sent: (() => Promise<void>) | null = null;
      ready.then((call) => (sent = call), () => undefined);
      const send = () => {
        // A page that is being left has no time to wait for anything.
        const done = sent ? sent() : ready.then((call) => call());
        void done.then(refresh, () => {
          hide(row.conversation_id, false);
          setFailed(true);
        });
      };
      waiting.current = { row, send, timer: setTimeout(flush, UNDO_MS) };
    },
    [api, flush, hide, refresh],
  );

  const undo = useCallback(() => {
    const due = waiting.current;
    if (!due) return;
    clearTimeout(due.timer);
    waiting.current = null;
    setUndoable(null);
    hide(due.row.conversation_id, false);
  }, [hide]);

  useEffect(() => {
    addEventListener("pagehide", flush);
    return () => {
      removeEventListener("pagehide", flush);
      flush();
    };
  }, [flush]);
  return useMemo(() => ({ undoable, failed, remove, undo }), [undoable, failed, remove, undo]);
}
