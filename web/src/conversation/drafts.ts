// What stands in the box of each conversation: kept over a reload of the tab, and where refused messages come back to.
import type { UserStorage } from "../client";

export class Drafts {
  private readonly listeners = new Set<() => void>();
  private readonly storage: UserStorage;

  constructor(storage: UserStorage) {
    this.storage = storage;
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  get(conversation: string): string {
    return this.storage.read<string>("tab", `draft:${conversation}`) ?? "";
  }

  set(conversation: string, text: string): void {
    this.storage.write("tab", `draft:${conversation}`, text || null);
    for (const listener of this.listeners) listener();
  }

  /** Puts a text before what has been typed since, so that neither is lost. */
  giveBack(conversation: string, text: string): void {
    const typed = this.get(conversation);
    this.set(conversation, typed ? `${text}\n\n${typed}` : text);
  }
}
