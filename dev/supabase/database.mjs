// The database below the local Supabase: PGlite in memory, or a real Postgres over its unix socket.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
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
 * @param {{ postgres?: string, snapshot?: string, data?: string }} where directory of the Postgres socket, or the file
 *   that keeps a new PGlite with the vendor's schema between starts; and the directory of a PGlite that is kept itself
 * @returns {Promise<{ connection: object, run: (sql: string) => Promise<unknown>, prepared: boolean,
 *   keep: () => Promise<void> }>} `run` takes any number of statements as one transaction; `prepared` when it came
 *   out of a snapshot
 */
export async function openDatabase({ postgres, snapshot, data }) {
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
  const begun = Boolean(data && existsSync(join(data, "PG_VERSION")));
  const copied = !begun && Boolean(snapshot && existsSync(snapshot));
  const connection = await createPgliteConnection({
    url: data,
    pgliteOptions: {
      parsers: { 1184: isoTimestamp },
      ...(copied ? { loadDataDir: new Blob([readFileSync(snapshot)]) } : {}),
    },
  });
  const prepared = begun || copied;
  const keep = async () => {
    if (!snapshot || prepared || data) return;
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

/**
 * Each file is one transaction, which `run` sees to. A failure names the file. In data that are `kept`, what was applied is
 * on record: it is left out, and may not have changed since. The seed may, as applying it again changes nothing there is.
 */
export async function applyFiles(run, files, { kept = false, seed } = {}) {
  const applied = kept ? await appliedTo(run) : new Map();
  for (const file of files) {
    const text = readFileSync(file, "utf8");
    const [name, digest] = [basename(file), createHash("sha256").update(text).digest("hex")];
    if (applied.get(name) === digest) continue;
    if (applied.has(name) && file !== seed) {
      throw new MigrationError(`The data that are kept were made with another ${name}. Drop them with --fresh.`);
    }
    const record = `insert into dev_applied.files values ('${name}', '${digest}')
      on conflict (name) do update set digest = excluded.digest`;
    try {
      await run(kept ? `${text};\n${record};` : text);
    } catch (error) {
      const line = error.position ? ` (line ${text.slice(0, Number(error.position)).split("\n").length})` : "";
      throw new MigrationError(`${file} could not be applied: ${error.message}${line}`);
    }
  }
}

/** The files that these data have had, by name. */
async function appliedTo(run) {
  const results = await run(`
    create schema if not exists dev_applied;
    create table if not exists dev_applied.files (name text primary key, digest text not null);
    select name, digest from dev_applied.files`);
  return new Map(results.at(-1).rows.map(({ name, digest }) => [name, digest]));
}

/** A name that changes with everything a snapshot is made of. */
export function snapshotName(...files) {
  const hash = createHash("sha256");
  for (const file of files) hash.update(readFileSync(file));
  return `pglite-${hash.digest("hex").slice(0, 16)}.tar.gz`;
}
