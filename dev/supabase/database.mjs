// The database below the local Supabase: PGlite in memory, or a real Postgres over its unix socket.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { createPgliteConnection } from "@supabase/lite/pglite";
import { createPostgresConnection } from "@supabase/lite/postgres";

const POOL_SIZE = 20;

/** Timestamps as PostgREST writes them: clients parse ISO 8601 and not what Postgres prints. */
function isoTimestamp(text) {
  const match = /^(\d{4,}-\d\d-\d\d) (\d\d:\d\d:\d\d(?:\.\d+)?)([+-]\d\d)(?::?(\d\d))?$/.exec(text);
  return match ? `${match[1]}T${match[2]}${match[3]}:${match[4] ?? "00"}` : text;
}

/** Arguments and rows reach the driver as JSON text already; encoding them again would store a string. */
const jsonText = (value) => (typeof value === "string" ? value : JSON.stringify(value));

/**
 * @param {{ postgres?: string, snapshot?: string }} where directory of the Postgres socket, or the file that keeps
 *   a new PGlite with the vendor's schema between starts
 * @returns {Promise<{ connection: object, run: (sql: string) => Promise<unknown>, prepared: boolean,
 *   keep: () => Promise<void> }>} `run` takes any number of statements as one transaction; `prepared` when it came
 *   out of a snapshot
 */
export async function openDatabase({ postgres, snapshot }) {
  if (postgres) {
    const connection = createPostgresConnection({
      url: "postgresql://postgres@localhost/postgres",
      postgresOptions: {
        host: postgres,
        max: POOL_SIZE,
        onnotice: () => {},
        types: {
          timestamptz: { to: 1184, from: [1184], serialize: (value) => value, parse: isoTimestamp },
          json: { to: 114, from: [114], serialize: jsonText, parse: JSON.parse },
          jsonb: { to: 3802, from: [3802], serialize: jsonText, parse: JSON.parse },
        },
      },
    });
    const run = (text) => connection.driver.begin((sql) => sql.unsafe(text).simple());
    return { connection, run, prepared: false, keep: async () => {} };
  }
  const prepared = Boolean(snapshot && existsSync(snapshot));
  const connection = await createPgliteConnection({
    pgliteOptions: {
      parsers: { 1184: isoTimestamp },
      ...(prepared ? { loadDataDir: new Blob([readFileSync(snapshot)]) } : {}),
    },
  });
  const keep = async () => {
    if (!snapshot || prepared) return;
    const dump = await connection.driver.dumpDataDir("gzip");
    mkdirSync(dirname(snapshot), { recursive: true });
    const partial = `${snapshot}.${process.pid}`;
    writeFileSync(partial, Buffer.from(await dump.arrayBuffer()));
    renameSync(partial, snapshot); // another start may be writing the same one
  };
  const run = (text) => connection.driver.transaction((transaction) => transaction.exec(text));
  return { connection, run, prepared, keep };
}

/** SQL files in the order in which the supabase CLI applies them: migrations by name, then the seed. */
export function sqlFiles(migrations, seed) {
  const names = existsSync(migrations) ? readdirSync(migrations).filter((name) => name.endsWith(".sql")).sort() : [];
  const files = names.map((name) => join(migrations, name));
  return seed && existsSync(seed) ? [...files, seed] : files;
}

/** A file that the database refuses; the message says which, why and where. */
export class MigrationError extends Error {}

/** Each file is one transaction, which `run` sees to. A failure names the file. */
export async function applyFiles(run, files) {
  for (const file of files) {
    const text = readFileSync(file, "utf8");
    try {
      await run(text);
    } catch (error) {
      const line = error.position ? ` (line ${text.slice(0, Number(error.position)).split("\n").length})` : "";
      throw new MigrationError(`${file} could not be applied: ${error.message}${line}`);
    }
  }
}

/** A name that changes with everything a snapshot is made of. */
export function snapshotName(...files) {
  const hash = createHash("sha256");
  for (const file of files) hash.update(readFileSync(file));
  return `pglite-${hash.digest("hex").slice(0, 16)}.tar.gz`;
}
