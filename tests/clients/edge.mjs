// A hosted project's address on this machine: a gateway that hands /functions/v1 to the Edge Function, which Deno runs,
// and everything else to the local Supabase.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer, request as httpRequest } from "node:http";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

import { SUPABASE_URL } from "./environment.mjs";

export const SCRIPT = fileURLToPath(new URL("../../supabase/functions/multi-agent-chat/index.ts", import.meta.url));
/** How Deno is called, by its wrapper from npm. */
export const DENO = fileURLToPath(new URL("node_modules/deno/bin.cjs", import.meta.url));

/** The Edge Function in front of `upstream`: `{ url, stop }`. */
export async function startEdge(upstream) {
  const environment = { ...process.env, MULTI_AGENT_CHAT_URL: upstream, DENO_SERVE_ADDRESS: "tcp:127.0.0.1:0" };
  const flags = ["run", "--no-config", "--allow-net", "--allow-env", SCRIPT];
  const child = spawn(process.execPath, [DENO, ...flags], { env: environment, stdio: ["ignore", "pipe", "pipe"], detached: true });
  const lines = [];
  const url = await new Promise((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr])
      createInterface(stream).on("line", (line) => {
        lines.push(line);
        const found = /Listening on (http:\S+?)\/? *$/.exec(line);
        if (found) resolve(found[1]);
      });
    child.once("exit", () => reject(new Error(lines.join("\n"))));
  });
  const stop = async () => {
    process.kill(-child.pid, "SIGTERM");
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  };
  return { url, lines, stop };
}

/** The project's one address, as supabase-js knows it. */
export async function startGateway(edge) {
  const server = createServer((incoming, outgoing) => {
    const forFunctions = incoming.url.startsWith("/functions/v1/");
    const target = new URL(forFunctions ? edge : SUPABASE_URL);
    const path = forFunctions ? incoming.url.slice("/functions/v1".length) : incoming.url;
    const where = { host: target.hostname, port: target.port, path, method: incoming.method, agent: false };
    const upstream = httpRequest({ ...where, headers: { ...incoming.headers, host: target.host } }, (answer) => {
      outgoing.writeHead(answer.statusCode, answer.headers);
      answer.pipe(outgoing);
    });
    upstream.on("error", () => outgoing.destroy());
    outgoing.once("close", () => upstream.destroy());
    incoming.pipe(upstream);
  });
  return listening(server);
}

/** Starts a server on a free port: `{ url, stop }`. */
export async function listening(server) {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const stop = async () => {
    server.closeAllConnections();
    server.close();
    await once(server, "close");
  };
  return { url: `http://127.0.0.1:${server.address().port}`, stop };
}
