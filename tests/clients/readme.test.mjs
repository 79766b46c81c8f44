// The README's ways without a proxy, as they stand there.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";

import { FunctionsClient } from "@supabase/functions-js";
import { createClient } from "@supabase/supabase-js";

import { DEMO, FUNCTION_URL, PUBLISHABLE_KEY, SUPABASE_URL } from "./environment.mjs";

const readme = readFileSync(new URL("../../README.md", import.meta.url), "utf8");
const section = /^### With supabase-js$(.*?)^###? /ms.exec(readme)[1];
const examples = [...section.matchAll(/^```js\n(.*?)^```$/gms)].map(([, code]) => code);
const AsyncFunction = (async () => {}).constructor;
const asked = [];
let supabase;

before(async () => {
  const plain = globalThis.fetch;
  globalThis.fetch = (url, ...rest) => {
    asked.push(String(url));
    return plain(url, ...rest);
  };
  supabase = createClient(SUPABASE_URL, PUBLISHABLE_KEY);
  const { error } = await supabase.auth.signInWithPassword(DEMO);
  assert.equal(error, null);
});
after(() => supabase.auth.signOut());

test("there are two ways", () => assert.equal(examples.length, 2));

for (const [number, code] of examples.entries())
  test(`way ${number + 1}`, async () => {
    const example = new AsyncFunction("supabase", "FunctionsClient", "FUNCTION_URL", `${code}; return { data, error };`);
    asked.length = 0;
    const { data, error } = await example(supabase, FunctionsClient, FUNCTION_URL);
    assert.equal(error, null);
    assert.equal(data.reply.text, "Emulated reply 1 to: Hello");
    assert.equal(asked.length, 1);
    assert.ok(asked[0].startsWith(FUNCTION_URL), `the project's own address was asked: ${asked[0]}`);
  });
