// An unchanged supabase-js, and the Edge Function between it and the function.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { after, before, test } from "node:test";

import { createClient, FunctionsHttpError } from "@supabase/supabase-js";

import { DENO, SCRIPT, listening, startEdge, startGateway } from "./edge.mjs";
import { DEMO, FUNCTION_URL, PUBLISHABLE_KEY } from "./environment.mjs";

const NAME = "multi-agent-chat";
const ORIGIN = process.env.ALLOWED_ORIGIN;
let edge, project, supabase;

before(async () => {
  edge = await startEdge(`${FUNCTION_URL}/`);
  project = await startGateway(edge.url);
  supabase = createClient(project.url, PUBLISHABLE_KEY);
  const { error } = await supabase.auth.signInWithPassword(DEMO);
  assert.equal(error, null);
});
after(async () => {
  await supabase?.auth.signOut();
  await project?.stop();
  await edge?.stop();
});

test("an answer is data", async () => {
  const { data, error } = await supabase.functions.invoke(NAME, { body: { message: "hello" } });
  assert.equal(error, null);
  assert.equal(data.reply.text, "Emulated reply 1 to: hello");
});

test("a refusal is an error with a body", async () => {
  const { error } = await supabase.functions.invoke(NAME, { body: { message: "hello", agent: "not_there" } });
  assert.ok(error instanceof FunctionsHttpError, String(error));
  const body = await error.context.json();
  assert.equal(body.code, "unknown_agent");
  assert.equal(error.context.headers.get("x-request-id"), body.request_id);
});

test("the address of an accepted message leads through the project", async () => {
  const token = (await supabase.auth.getSession()).data.session.access_token;
  const headers = { Authorization: `Bearer ${token}`, "Content-Type": "application/json" };
  const body = JSON.stringify({ message: "[[slow 1]] later", wait_seconds: 0 });
  const accepted = await fetch(`${project.url}/functions/v1/${NAME}`, { method: "POST", headers, body });
  assert.equal(accepted.status, 202);
  const location = accepted.headers.get("location");
  assert.equal(location, `/functions/v1/${NAME}/turns/${(await accepted.json()).turn_id}`);
  const done = await fetch(`${project.url}${location}?wait_seconds=20`, { headers });
  assert.equal((await done.json()).reply.text, "Emulated reply 1 to: later");
});

test("a stream comes piece by piece", async () => {
  const body = { message: "[[slow 2]] a b c d e f g h", conversation_id: randomUUID() };
  const asked = Date.now();
  const { data, error } = await supabase.functions.invoke(NAME, { body, headers: { Accept: "text/event-stream" } });
  assert.equal(error, null);
  const times = [];
  let text = "";
  for await (const chunk of data.body) {
    times.push(Date.now() - asked);
    text += Buffer.from(chunk).toString();
  }
  assert.ok(times[0] < 1500, `the start came after ${times[0]} ms`);
  assert.ok(times.at(-1) > 1900, `the end came after ${times.at(-1)} ms`);
  assert.match(text, /data: \[DONE\]\n\n$/);
});

test("the function says which origins may read", async () => {
  const url = `${project.url}/functions/v1/${NAME}`;
  const preflight = { "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization" };
  const allowed = await fetch(url, { method: "OPTIONS", headers: { Origin: ORIGIN, ...preflight } });
  assert.equal(allowed.status, 204);
  assert.equal(allowed.headers.get("access-control-allow-origin"), ORIGIN);
  const foreign = await fetch(url, { method: "OPTIONS", headers: { Origin: "https://evil.example", ...preflight } });
  assert.equal(foreign.headers.get("access-control-allow-origin"), null);
});

test("what is behind is asked for one uncompressed answer within the platform's limit", async () => {
  const seen = [];
  const behind = createServer((incoming, outgoing) => {
    seen.push(incoming);
    outgoing.writeHead(200, { "content-type": "application/json" }).end("{}");
  });
  const fake = await listening(behind);
  const front = await startEdge(fake.url);
  try {
    await fetch(`${front.url}/${NAME}/turns/1?wait_seconds=900`, { headers: { Prefer: "wait=900" } });
    await fetch(`${front.url}/${NAME}`, { method: "POST", body: "x", headers: { "Idempotency-Key": "k" } });
  } finally {
    await front.stop();
    await fake.stop();
  }
  assert.deepEqual(seen.map((each) => each.url), [
    `/functions/v1/${NAME}/turns/1?wait_seconds=900`,
    `/functions/v1/${NAME}`,
  ]);
  assert.deepEqual(seen.map((each) => each.headers.prefer), ["wait=900, wait=140", "wait=140"]);
  assert.deepEqual(seen.map((each) => each.headers["accept-encoding"]), ["identity", "identity"]);
  assert.deepEqual(seen.map((each) => each.headers.host), [new URL(fake.url).host, new URL(fake.url).host]);
  assert.equal(seen[1].headers["idempotency-key"], "k");
});

test("a caller that leaves frees the connection behind", async () => {
  let left;
  const behind = createServer((incoming, outgoing) => {
    left = once(outgoing, "close");
    asked();
  });
  let asked;
  const arrived = new Promise((resolve) => (asked = resolve));
  const fake = await listening(behind);
  const front = await startEdge(fake.url);
  try {
    const leaving = new AbortController();
    const answer = fetch(`${front.url}/${NAME}/agents`, { signal: leaving.signal });
    await arrived;
    leaving.abort();
    await assert.rejects(answer);
    await left;
  } finally {
    await front.stop();
    await fake.stop();
  }
});

test("a function that cannot be reached is an error that a page can read", async () => {
  const front = await startEdge("http://127.0.0.1:9");
  const origin = { Origin: ORIGIN };
  try {
    const asked = { ...origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "apikey" };
    const preflight = await fetch(`${front.url}/${NAME}`, { method: "OPTIONS", headers: asked });
    assert.equal(preflight.status, 204);
    assert.equal(preflight.headers.get("access-control-allow-headers"), "apikey");
    const answer = await fetch(`${front.url}/${NAME}`, { method: "POST", body: "{}", headers: origin });
    assert.equal(answer.status, 503);
    assert.equal(answer.headers.get("access-control-allow-origin"), "*");
    assert.equal(answer.headers.get("retry-after"), "1");
    const body = await answer.json();
    assert.equal(body.code, "function_unavailable");
    assert.equal(body.request_id, answer.headers.get("x-request-id"));
  } finally {
    await front.stop();
  }
});

test("Deno finds nothing wrong with it", () => {
  for (const command of [["check"], ["lint"], ["fmt", "--check", "--line-width", "120"]]) {
    const done = spawnSync(process.execPath, [DENO, ...command, SCRIPT], { encoding: "utf8" });
    assert.equal(done.status, 0, done.stderr);
  }
});

test("without the address of the function it does not start", async () => {
  await assert.rejects(startEdge(""), /MULTI_AGENT_CHAT_URL must be the https address/);
});
