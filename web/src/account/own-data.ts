import type { Api } from "../client";
import { saveAs } from "../page/save-as";

/** Gives the browser all that a user has here as a file to keep. */
export async function saveEverything(api: Api): Promise<void> {
  saveAs("conversations.json", await api.exported(), "application/json");
}
