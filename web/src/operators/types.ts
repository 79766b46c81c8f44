// What the function tells operators: ids, codes and numbers.

export interface Percentiles {
  p50: number | null;
  p95: number | null;
  p99: number | null;
}

export interface Counts {
  turns: number;
  completed: number;
  failed: number;
  cancelled: number;
  conflicts: number;
  handoffs: number;
  tool_calls: number;
  rotations: number;
  provider_rate_limited: number;
  conflict_rate: number;
  error_rate: number;
  resolved_after_conflicts: Record<string, number>;
  input_tokens: number;
  output_tokens: number;
  waited_ms: Percentiles;
  answered_ms: Percentiles;
  handoff_ms: Percentiles;
}

/** A model, or all of a wire where it is null, that has failed since its last answer. */
export interface Breaker {
  provider: string;
  model: string | null;
  failures: number;
  code: string;
  open_ms: number | null;
}

export interface Statistics {
  window: string;
  bucket: string;
  open: number;
  oldest_open_ms: number | null;
  totals: Counts;
  errors: Record<string, number>;
  breakers?: Breaker[];
  agents: { slug: string; turns: number; input_tokens: number; output_tokens: number }[];
  series: (Counts & { at: string })[];
}

export interface WatchedTurn {
  turn_id: string;
  conversation_id: string;
  seq: number;
  status: string;
  agent: string;
  strategy: string;
  attempt: number;
  conflicts: number;
  blocked_by: string | null;
  held_up_by: string | null;
  code: string | null;
  created_at: string;
  age_ms: number;
  waited_ms: number;
  head_turn_id: string | null;
  lease: "free" | "lapsed" | "held" | null;
}

export interface Details {
  agent?: string;
  run_id?: string;
  tool?: string;
  code?: string;
  other_turn_id?: string;
  nth?: number;
}

export type Span = Details & { kind: string; from_ms: number; to_ms: number | null };
export type Mark = Details & { name: string; at_ms: number };
export type TurnEvent = Details & { at: string; at_ms: number; name: string; ms?: number };

export interface TurnTimeline {
  turn: WatchedTurn;
  events: TurnEvent[];
  spans: Span[];
  marks: Mark[];
}
