import type { Deletion } from "./deletion";

/** Says that a conversation is being deleted, as long as it can be brought back. */
export function UndoNotice({ deletion: { undoable, failed, undo } }: { deletion: Deletion }) {
  return (
    <div className="undo" role="status">
      {undoable && (
        <p>
          <span className="title">Deleted: {undoable.title || "a conversation"}</span>
          <button type="button" className="text" onClick={undo}>
            Undo
          </button>
        </p>
      )}
      {failed && <p>The conversation could not be deleted. It is in the list again.</p>}
    </div>
  );
}
