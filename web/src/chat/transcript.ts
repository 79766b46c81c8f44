// The transcript as the server tells it, read again only from where it can still change.
import type { Line, Turn } from "../types";

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
    const known = new Set(this.lines.map((line) => line.id));
    const kept = this.lines.filter((line) => line.seq <= this.settled);
    this.lines = [...kept, ...read];
    for (const line of read) {
      if (!known.has(line.id) || openIds.has(line.turn_id)) break;
      this.settled = line.seq;
    }
  }

  answered(turn: string): boolean {
    return this.lines.some((line) => line.turn_id === turn && line.role === "assistant" && !line.partial);
  }

  /** Turns of which a question stands here and no whole answer: how they ended has to be asked. */
  unanswered(open: Turn[]): string[] {
    const openIds = new Set(open.map((turn) => turn.turn_id));
    const asked = this.lines.filter((line) => line.role === "user" && !openIds.has(line.turn_id));
    const handed = this.lines.filter((line) => line.handoff_to && !openIds.has(line.turn_id));
    return [...new Set([...asked.filter((line) => !this.answered(line.turn_id)), ...handed].map((line) => line.turn_id))];
  }
}
