// Runs pgTAP files on PGlite, which ships pgTAP: no server, no installation. One JSON line per file: its TAP.
// node pgtap.mjs <directory with node_modules> <setup.sql ...> -- <test.sql ...>
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { resolve } from "node:path";

const [packages, ...files] = process.argv.slice(2);
const require = createRequire(resolve(packages, "package.json"));
const { PGlite } = require("@electric-sql/pglite");
const { pgtap } = require("@electric-sql/pglite/pgtap");

const split = files.indexOf("--");
const database = await PGlite.create({ extensions: { pgtap } });
for (const file of files.slice(0, split)) await database.exec(readFileSync(file, "utf8"));
await database.exec("create extension pgtap with schema extensions; set search_path = public, extensions;");

for (const file of files.slice(split + 1)) {
  let tap;
  try {
    const results = await database.exec(readFileSync(file, "utf8"), { rowMode: "array" });
    tap = results.flatMap((result) => result.rows.map((row) => String(row[0])));
  } catch (error) {
    await database.exec("rollback");
    tap = [`not ok - ${error.message} (position ${error.position}, ${error.where})`];
  }
  console.log(JSON.stringify({ file, tap }));
}
await database.close();
