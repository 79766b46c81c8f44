// What stands in the box of each conversation: kept over a reload of the tab, and where refused messages come back to.

class Drafts {
  private readonly listeners = new Set<() => void>();

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  get(conversation: string): string {
    return sessionStorage.getItem(`draft:${conversation}`) ?? "";
  }

  set(conversation: string, text: string): void {
    if (text) sessionStorage.setItem(`draft:${conversation}`, text);
    else sessionStorage.removeItem(`draft:${conversation}`);
    for (const listener of this.listeners) listener();
  }

  /** Puts a text before what has been typed since, so that neither is lost. */
  giveBack(conversation: string, text: string): void {
    const typed = this.get(conversation);
    this.set(conversation, typed ? `${text}\n\n${typed}` : text);
  }

  clear(): void {
    for (const name of Object.keys(sessionStorage)) if (name.startsWith("draft:")) sessionStorage.removeItem(name);
  }
}

export const drafts = new Drafts();
