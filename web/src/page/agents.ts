// The agents that can answer: their names, and a colour of its own for each.
import { createContext, useContext, useEffect, useState, type CSSProperties } from "react";
import type { Agent, Api } from "../client";

const AGAIN_MS = 3000;

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

/** The agents as the server lists them, asked for until it answers. */
export function useAgents(api: Api): Agent[] {
  const [agents, setAgents] = useState<Agent[]>([]);
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout>;
    let wait = AGAIN_MS;
    const ask = () =>
      void api.agents().then(setAgents, () => {
        timer = setTimeout(ask, wait);
        wait = Math.min(wait * 2, 60_000);
      });
    ask();
    return () => clearTimeout(timer);
  }, [api]);
  return agents;
}
