import { createContext, useContext, type CSSProperties } from "react";
import type { Agent } from "./types";

export const Agents = createContext<Agent[]>([]);

/** A colour of its own for every agent, the same on every page: only the hue differs, so contrast never does. */
export function colourOf(slug: string): CSSProperties {
  let hash = 0;
  for (const character of slug) hash = (hash * 31 + character.codePointAt(0)!) >>> 0;
  return { "--hue": (hash * 137) % 360 } as CSSProperties;
}

export function nameOf(agents: Agent[], slug: string | null | undefined): string {
  if (!slug) return "Assistant";
  const name = agents.find((agent) => agent.slug === slug)?.name;
  return name ?? slug.replaceAll("_", " ").replace(/^./, (letter) => letter.toUpperCase());
}

export function useAgentName(slug: string | null | undefined): string {
  return nameOf(useContext(Agents), slug);
}
