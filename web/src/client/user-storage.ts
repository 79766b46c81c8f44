// What this browser keeps for one user. Nothing of it is shown to another, and all of it goes at sign-out.

const PREFIX = "multi-agent-chat:";

/** Where a value is kept: for this tab over its reloads, or for all tabs of the browser. */
type Reach = "tab" | "browser";

export class UserStorage {
  private readonly prefix: string;

  constructor(user: string) {
    this.prefix = `${PREFIX}${user}:`;
  }

  read<T>(reach: Reach, name: string): T | null {
    try {
      return JSON.parse(areaOf(reach).getItem(this.prefix + name) ?? "null") as T | null;
    } catch {
      return null; // storage is switched off, or holds what an older page wrote
    }
  }

  write(reach: Reach, name: string, value: unknown): void {
    try {
      if (value === null) areaOf(reach).removeItem(this.prefix + name);
      else areaOf(reach).setItem(this.prefix + name, JSON.stringify(value));
    } catch {
      // Storage is full or switched off: the page works on, a reload forgets.
    }
  }

  clear(): void {
    for (const reach of ["tab", "browser"] as const) {
      try {
        const area = areaOf(reach);
        for (const name of Object.keys(area)) if (name.startsWith(this.prefix)) area.removeItem(name);
      } catch {
        // Switched off: there is nothing to clear.
      }
    }
  }
}

const areaOf = (reach: Reach): Storage => (reach === "tab" ? sessionStorage : localStorage);
