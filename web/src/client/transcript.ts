// The transcript as the server tells it, read again only from where it can still change.
import type { Line, Turn } from "./types";

/**
 * Lines of turns that are over never change; those of an open turn can be taken back, and their numbers be given out
 * again. A line is settled once it was known before its turn was seen not to be open.
 */
export class Transcript {
  lines: Line[] = [];
  private settled = 0;

  /** Whence to read on. */
  get after(): number {
    return this.settled;
  }

  /** Takes in what was read from `after` on, with the turns that were open just before. */
  take(read: Line[], open: Turn[]): void {
    const openIds = new Set(open.map((turn) => turn.turn_id));
    const known = new Map(this.lines.map((line) => [line.id, line]));
    const kept = this.lines.filter((line) => line.seq <= this.settled);
    this.lines = [...kept, ...read.map((line) => unchanged(known.get(line.id), line))];
    for (const line of read) {
      if (!known.has(line.id) || openIds.has(line.turn_id)) break;
      this.settled = line.seq;
    }
  }

  /** Whether a later reading could find nothing new as long as no other turn is handed in. */
  settledBut(open: Turn[]): boolean {
    return !open.length && (this.lines.at(-1)?.seq ?? 0) === this.settled;
  }


  /** Turns of which a question stands here and no whole answer: how they ended has to be asked. */
  unanswered(open: Turn[]): string[] {
    const openIds = new Set(open.map((turn) => turn.turn_id));
    const whole = new Set(this.lines.filter((line) => line.role === "assistant" && !line.partial).map(turnOf));
    const over = this.lines.filter((line) => !openIds.has(line.turn_id));
    const wanted = over.filter((line) => line.handoff_to || (line.role === "user" && !whole.has(line.turn_id)));
    return [...new Set(wanted.map(turnOf))];
  }
}

const turnOf = (line: Line) => line.turn_id;

/** The line that is known already where nothing of it has changed: what is drawn from it need not be drawn again. */
function unchanged(known: Line | undefined, line: Line): Line {
  const same = known && known.text === line.text && known.partial === line.partial && known.seq === line.seq;
  return same && known.handoff_to === line.handoff_to ? known : line;
}
