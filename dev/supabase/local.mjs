// A local Supabase for development and tests: the vendor's small implementation, corrected to behave as the hosted one.
// It listens once migrations, seed and demo user are in place, so a first answer means that it is ready.
import { createServer } from "node:http";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";

// Before the vendor's modules are loaded: they read this on import.
Object.assign(process.env, { LITE_TELEMETRY: "0", SUPABASE_TELEMETRY_DISABLED: "1", DO_NOT_TRACK: "1" });
const { App } = await import("@supabase/lite");
const { getRequestListener } = await import("@hono/node-server");
const { MigrationError, applyFiles, openDatabase, snapshotName, sqlFiles } = await import("./database.mjs");
const { functionsProxy } = await import("./proxy.mjs");
const { completeSession } = await import("./tokens.mjs");

const HOST = "127.0.0.1";
const TOKEN_SECONDS = 12 * 3600; // a printed token works for a day of development
const here = (name) => fileURLToPath(new URL(name, import.meta.url));

// A restart of the database leaves the driver writing once more to a socket that it has given up. That query is lost
// with its connection and the pool makes a new one; without this the whole process would end.
process.on("uncaughtException", (error) => {
  console.error(error);
  if (!/node_modules\/postgres\//.test(String(error?.stack))) process.exit(1);
});

const { values: options } = parseArgs({
  options: {
    port: { type: "string" },
    url: { type: "string" }, // where the project is reached: a Data API may stand in front
    page: { type: "string" }, // where links in emails may lead
    migrations: { type: "string" },
    seed: { type: "string" },
    cache: { type: "string" }, // directory for the snapshot
    data: { type: "string" }, // directory of a PGlite that is kept from one start to the next; in memory when absent
    postgres: { type: "string" }, // directory of the server's unix socket; PGlite when absent
    function: { type: "string", multiple: true, default: [] },
  },
});
const { JWT_SECRET, PUBLISHABLE_KEY, SECRET_KEY, DEMO_EMAIL, DEMO_PASSWORD } = process.env;
const url = options.url ?? `http://${HOST}:${options.port}`;
const issuer = `${url}/auth/v1`;

const snapshot = options.cache && join(options.cache, snapshotName(here("roles.sql"), here("package-lock.json")));
const database = await openDatabase({ postgres: options.postgres, snapshot, data: options.data });
// Otherwise the first request grants ALL on every table to every role and voids the grants of the migrations.
database.connection.rlsState = "active";

const app = new App({
  connection: database.connection,
  auth: {
    enabled: true,
    jwt_secret: JWT_SECRET,
    jwt_expiry: TOKEN_SECONDS,
    publishable_key: PUBLISHABLE_KEY,
    secret_key: SECRET_KEY,
    site_url: url,
    additional_redirect_urls: options.page ? [`${options.page}/**`] : [],
  },
  options: { server: { admin: false, disableStudio: true } },
});
if (!database.prepared) {
  await app.ensureSystemSchema();
  await database.run(readFileSync(here("roles.sql"), "utf8"));
  await database.run("grant usage on schema auth to anon, authenticated, service_role;");
  await database.keep();
}
try {
  const kept = Boolean(options.data);
  await applyFiles(database.run, sqlFiles(options.migrations, options.seed), { kept, seed: options.seed });
} catch (error) {
  if (!(error instanceof MigrationError)) throw error;
  console.error(error.message);
  process.exit(1);
}
await database.connection.clearSchemaCache();

async function supabase(request) {
  const { pathname } = new URL(request.url);
  if (request.method === "OPTIONS") return new Response(null, { status: 204, headers: corsHeaders(request) });
  const answer = await app.fetch(request, { peerAddress: null });
  const complete = pathname.startsWith("/auth/v1/") ? await completeSession(answer, issuer, JWT_SECRET) : answer;
  const headers = new Headers(complete.headers);
  for (const [name, value] of Object.entries(corsHeaders(request))) headers.set(name, value);
  return new Response(complete.body, { status: complete.status, headers });
}

/** The vendor answers /auth/v1 without CORS; the browser needs it on everything. */
function corsHeaders(request) {
  return {
    "access-control-allow-origin": "*",
    "access-control-allow-methods": "GET, POST, PUT, PATCH, DELETE, OPTIONS, HEAD",
    "access-control-allow-headers":
      request.headers.get("access-control-request-headers") ?? "authorization, apikey, content-type, x-client-info",
    "access-control-expose-headers": "content-range, content-location, preference-applied, x-total-count",
    "access-control-max-age": "600",
  };
}

async function seedDemoUser() {
  const body = JSON.stringify({ email: DEMO_EMAIL, password: DEMO_PASSWORD });
  const headers = { apikey: PUBLISHABLE_KEY, "content-type": "application/json" };
  const answer = await supabase(new Request(`${url}/auth/v1/signup`, { method: "POST", headers, body }));
  const known = options.data && answer.status === 422; // from the start before
  if (!answer.ok && !known) throw new Error(`The demo user could not be made: ${await answer.text()}`);
}

if (DEMO_EMAIL) await seedDemoUser();
const listener = getRequestListener(supabase);
const functions = functionsProxy(options.function);
const server = createServer((incoming, outgoing) =>
  incoming.url.startsWith("/functions/v1/") ? functions(incoming, outgoing) : listener(incoming, outgoing),
);
server.requestTimeout = 0; // a turn may be waited for longer than node's default
server.listen(Number(options.port), HOST, () => console.log(`ready ${url}`));
