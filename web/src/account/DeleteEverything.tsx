import { type FormEvent, type RefObject, useState } from "react";
import type { Api } from "../client";
import { wordsFor } from "../page/words";
import { saveEverything } from "./own-data";

const WORD = "delete"; // is typed, so that no press of a button is enough

interface Properties {
  dialog: RefObject<HTMLDialogElement | null>;
  api: Api;
  onDeleted: () => void;
}

/** Asks whether all that a user has here is to go, and has it deleted. */
export function DeleteEverything({ dialog, api, onDeleted }: Properties) {
  const [typed, setTyped] = useState("");
  const [busy, setBusy] = useState(false);
  const [refusal, setRefusal] = useState<unknown>(null);
  const sure = typed.trim().toLowerCase() === WORD;

  async function submit(event: FormEvent): Promise<void> {
    event.preventDefault();
    if (!sure || busy) return;
    setBusy(true);
    setRefusal(null);
    await api.deleteEverything().then(onDeleted, setRefusal);
    setBusy(false);
  }

  return (
    <dialog
      ref={dialog}
      className="sheet"
      aria-labelledby="delete-everything"
      onClose={() => {
        setTyped("");
        setRefusal(null);
      }}
    >
      <h2 id="delete-everything">Delete everything of yours?</h2>
      <p>
        All your conversations go, archived ones too, with what you said of their answers: here, and at the service that
        answers. None of it can be brought back. Your account stays.
      </p>
      <p>
        <button
          type="button"
          className="text"
          onClick={() => void saveEverything(api).then(() => setRefusal(null), setRefusal)}
        >
          Download everything first
        </button>
      </p>
      <form onSubmit={(event) => void submit(event)}>
        <label>
          Type “{WORD}” to go on
          <input
            ref={(field) => field?.setAttribute("autofocus", "")} // React would focus it when it is made, not when it is shown
            autoComplete="off"
            autoCapitalize="none"
            spellCheck={false}
            value={typed}
            onChange={(event) => setTyped(event.target.value)}
          />
        </label>
        {refusal !== null && (
          <p className="hint wrong" role="alert">
            {wordsFor(refusal)}
          </p>
        )}
        <div className="buttons">
          <button type="button" onClick={() => dialog.current?.close()}>
            Keep everything
          </button>
          <button className="wrong" aria-disabled={!sure || busy}>
            {busy ? "Deleting …" : "Delete everything"}
          </button>
        </div>
      </form>
    </dialog>
  );
}
