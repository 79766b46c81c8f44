import type { Deletion } from "./deletion";

interface Properties {
  deletion: Deletion;
  /** Whether all that the user had has just been deleted. */
  everything: boolean;
}

/** Says that a conversation is being deleted, as long as it can be brought back; and that all of them are. */
export function UndoNotice({ deletion: { undoable, failed, undo }, everything }: Properties) {
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
      {everything && <p className="said">Everything of yours has been deleted.</p>}
      {failed && <p className="said">The conversation could not be deleted. It is in the list again.</p>}
    </div>
  );
}
