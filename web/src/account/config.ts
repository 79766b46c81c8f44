/** Where everything is: read at run time from config.json beside the page, so that the built files fit any host. */
export interface Config {
  supabaseUrl: string;
  publishableKey: string;
  functionUrl: string;
  demo?: { email: string; password: string };
  /** False where the project has no Realtime: then the page does not try to listen. */
  realtime?: boolean;
  /** First messages that an empty conversation offers. */
  starters?: string[];
}

export async function loadConfig(): Promise<Config> {
  const answer = await fetch("config.json"); // index.html has asked for it already
  if (!answer.ok) throw new Error("config.json is missing beside this page.");
  const config = (await answer.json()) as Config;
  for (const name of ["supabaseUrl", "publishableKey", "functionUrl"] as const) {
    if (typeof config[name] !== "string") throw new Error(`config.json does not say ${name}.`);
  }
  return { ...config, functionUrl: config.functionUrl.replace(/\/+$/, "") };
}
