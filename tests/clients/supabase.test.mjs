// supabase-js in front of the function, through the gateway's own path.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, test } from "node:test";

import { createClient, FunctionsHttpError } from "@supabase/supabase-js";
import { parseJsonEventStream, uiMessageChunkSchema } from "ai";

import { DEMO, FUNCTION_URL, PUBLISHABLE_KEY, SUPABASE_URL } from "./environment.mjs";

const NAME = "multi-agent-chat";
const supabase = createClient(SUPABASE_URL, PUBLISHABLE_KEY);

before(async () => {
  const { error } = await supabase.auth.signInWithPassword(DEMO);
  assert.equal(error, null);
});
after(() => supabase.auth.signOut());

const invoke = (body, headers = {}) => supabase.functions.invoke(NAME, { body, headers });

async function refused(body) {
  const { data, error } = await invoke(body);
  assert.equal(data, null);
  assert.ok(error instanceof FunctionsHttpError, String(error));
  return { answer: error.context, body: await error.context.json() };
}

async function cancel(turnId) {
  const { data, error } = await supabase.functions.invoke(`${NAME}/turns/${turnId}/cancel`, { body: {} });
  assert.equal(error, null);
  return data;
}

test("an answer is data", async () => {
  const { data, error } = await invoke({ message: "hello" }, { "Idempotency-Key": randomUUID() });
  assert.equal(error, null);
  assert.equal(data.status, "completed");
  assert.equal(data.reply.text, "Emulated reply 1 to: hello");
});

test("an accepted message is a handle", async () => {
  const { data, error } = await invoke({ message: "[[slow 2]] later", wait_seconds: 0 });
  assert.equal(error, null);
  assert.ok(["queued", "starting", "running"].includes(data.status), data.status);
  const path = `${NAME}/turns/${data.turn_id}?wait_seconds=20`;
  const state = await supabase.functions.invoke(path, { method: "GET" });
  assert.equal(state.error, null);
  assert.equal(state.data.reply.text, "Emulated reply 1 to: later");
});

test("a refusal is an error with a body", async () => {
  const conversation_id = randomUUID();
  const first = await invoke({ message: "[[slow 30]] first", conversation_id, wait_seconds: 0 });
  const { answer, body } = await refused({ message: "second", conversation_id, multitask_strategy: "reject" });
  assert.equal(answer.status, 409);
  assert.equal(body.code, "run_in_progress");
  assert.equal(body.request_id, answer.headers.get("x-request-id"));
  await cancel(first.data.turn_id);
});

test("too much is an error that says when to come back", async () => {
  const conversation_id = randomUUID();
  const turns = [];
  let refusal = null;
  while (refusal === null && turns.length < 20) {
    const { data, error } = await invoke({ message: "[[slow 30]] x", conversation_id, wait_seconds: 0 });
    if (error) refusal = { answer: error.context, body: await error.context.json() };
    else turns.push(data.turn_id);
  }
  assert.equal(refusal.answer.status, 429);
  assert.equal(refusal.body.code, "queue_full");
  assert.ok(Number(refusal.answer.headers.get("retry-after")) >= 1);
  for (const turn of turns.reverse()) await cancel(turn);
});

test("a stream is a response to read from", async () => {
  const { data, error } = await invoke({ message: "hello" }, { Accept: "text/event-stream" });
  assert.equal(error, null);
  assert.ok(data instanceof Response);
  assert.equal(data.headers.get("content-type"), "text/event-stream");
  let text = "";
  for await (const part of parseJsonEventStream({ stream: data.body, schema: uiMessageChunkSchema })) {
    assert.ok(part.success, JSON.stringify(part));
    if (part.value.type === "text-delta") text += part.value.delta;
  }
  assert.equal(text, "Emulated reply 1 to: hello");
});

test("a page of another origin may read all of it", async () => {
  const origin = process.env.ALLOWED_ORIGIN;
  const asked = "authorization, x-client-info, apikey, content-type, idempotency-key";
  const headers = { Origin: origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": asked };
  const preflight = await fetch(FUNCTION_URL, { method: "OPTIONS", headers });
  assert.equal(preflight.status, 204);
  const allowed = preflight.headers.get("access-control-allow-headers").split(/,\s*/);
  for (const name of asked.split(/,\s*/)) assert.ok(allowed.includes(name), name);
  const answer = await fetch(`${FUNCTION_URL}/agents`, { headers: { Origin: origin } });
  assert.equal(answer.headers.get("access-control-allow-origin"), origin);
  const exposed = answer.headers.get("access-control-expose-headers").split(/,\s*/);
  for (const name of ["retry-after", "x-request-id", "location", "x-vercel-ai-ui-message-stream"]) {
    assert.ok(exposed.includes(name), name);
  }
});
