// The AI SDK's own chat against the function: what useChat makes of its streams.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";

import { FUNCTION_URL, OTHER_FUNCTION_URL, token, until } from "./environment.mjs";
import { dataOf, openPage, textOf } from "./page.mjs";

const user = token();
const someone = () => ({ token: user, conversation: randomUUID() });

async function get(path) {
  const answer = await fetch(FUNCTION_URL + path, { headers: { Authorization: `Bearer ${user}` } });
  return answer.json();
}

test("a message is answered", async () => {
  const page = await openPage(someone());
  await page.chat.sendMessage({ text: "hello" });
  await page.settled();
  assert.deepEqual(page.errors, []);
  assert.equal(page.text(), "Emulated reply 1 to: hello");
  const reply = page.reply();
  assert.equal(reply.id, reply.metadata.turn_id);
  assert.equal(reply.metadata.conversation_id, page.chat.id);
  assert.equal(reply.metadata.status, "completed");
  assert.equal(reply.metadata.replayed, false);
  assert.equal(reply.metadata.runs.length, 1);
  assert.equal(dataOf(reply, "data-turn").state, "completed");
  assert.ok(reply.parts.filter((part) => part.type === "text").every((part) => part.state === "done"));
  await page.chat.sendMessage({ text: "and again" });
  await page.settled(2);
  assert.equal(page.text(), "Emulated reply 2 to: and again");
  assert.equal(page.chat.messages.length, 4);
});

test("two tabs are answered in order, and the second sees that it waits", async () => {
  const them = someone();
  const [one, two] = [await openPage(them), await openPage(them)];
  one.chat.sendMessage({ text: "[[slow 2]] first" });
  await until(() => one.reply());
  two.chat.sendMessage({ text: "second" });
  await Promise.all([one.settled(), two.settled()]);
  assert.equal(one.text(), "Emulated reply 1 to: first");
  assert.equal(two.text(), "Emulated reply 2 to: second");
  assert.ok(two.states().includes("queued"), two.states().join());
  assert.equal(two.states().at(-1), "completed");
});

test("a page that is opened in the middle follows the answer, and one that is opened later has nothing to follow", async () => {
  const them = someone();
  const one = await openPage(them);
  one.chat.sendMessage({ text: "[[slow 2]] long" });
  await until(() => one.reply());
  const two = await openPage({ ...them, resume: true, at: OTHER_FUNCTION_URL });
  await Promise.all([one.settled(), two.settled()]);
  assert.equal(two.text(), "Emulated reply 1 to: long");
  assert.equal(two.reply().id, one.reply().id);
  const three = await openPage({ ...them, resume: true });
  await new Promise((resolve) => setTimeout(resolve, 500));
  assert.equal(three.chat.status, "ready");
  assert.deepEqual(three.chat.messages, []);
  assert.deepEqual(three.errors, []);
});

test("a page that stops reading stops nothing else", async () => {
  const page = await openPage(someone());
  page.chat.sendMessage({ text: "[[slow 1]] go on" });
  const turnId = (await until(() => page.reply())).id;
  await page.chat.stop();
  await until(() => page.chat.status === "ready");
  const turn = await get(`/turns/${turnId}?wait_seconds=20`);
  assert.equal(turn.status, "completed");
  assert.equal(turn.reply.text, "Emulated reply 1 to: go on");
  await page.chat.resumeStream(); // its turn is over, and its half of the stream is not the whole answer
  await page.settled(2);
  assert.equal(page.text(), "Emulated reply 1 to: go on");
  assert.equal(page.chat.messages.length, 2);
  const path = `${OTHER_FUNCTION_URL}/conversations/${page.chat.id}/stream`;
  const later = await fetch(path, { headers: { Authorization: `Bearer ${user}` } });
  assert.equal(later.status, 204, "one copy is out");
});

test("a page that was cut off takes the answer up again, once", async () => {
  const page = await openPage(someone());
  page.chat.sendMessage({ text: "[[slow 2]] go on" });
  await until(() => page.reply());
  await page.chat.stop();
  await page.chat.resumeStream();
  await page.settled(2);
  assert.equal(page.text(), "Emulated reply 1 to: go on");
  assert.equal(page.chat.messages.length, 2);
});

test("stopping is an endpoint of its own", async () => {
  const page = await openPage(someone());
  page.chat.sendMessage({ text: "[[never]] stop me" });
  const turnId = (await until(() => page.reply() && page.states().includes("running") && page.reply())).id;
  const answer = await fetch(`${FUNCTION_URL}/turns/${turnId}/cancel`, {
    method: "POST",
    headers: { Authorization: `Bearer ${user}` },
  });
  assert.equal(answer.status, 200);
  await page.settled();
  assert.equal(page.chat.error.message, "The turn was cancelled.");
  assert.equal(dataOf(page.reply(), "data-error").code, "cancelled");
  assert.equal(dataOf(page.reply(), "data-turn").state, "cancelled");
});

test("a message that displaces another ends the other's stream", async () => {
  const them = someone();
  const one = await openPage(them);
  const two = await openPage({ ...them, body: { multitask_strategy: "interrupt" } });
  one.chat.sendMessage({ text: "[[slow 30]] first" });
  await until(() => one.states().includes("running"));
  await two.chat.sendMessage({ text: "second" });
  await Promise.all([one.settled(), two.settled()]);
  const error = dataOf(one.reply(), "data-error");
  assert.equal(error.code, "superseded");
  assert.equal(error.details.superseded_by, two.reply().id);
  assert.match(two.text(), /second/);
});

test("a refusal before the stream begins is an error with a status and a code", async () => {
  const them = someone();
  const one = await openPage(them);
  one.chat.sendMessage({ text: "[[slow 2]] first" });
  await until(() => one.states().includes("running"));
  const two = await openPage({ ...them, body: { multitask_strategy: "reject" } });
  await two.chat.sendMessage({ text: "second" });
  await two.settled();
  assert.equal(two.chat.status, "error");
  assert.equal(two.chat.error.statusCode, 409);
  assert.equal(JSON.parse(two.chat.error.responseBody).code, "run_in_progress");
  assert.equal(two.reply(), undefined);
  await one.settled();
});

test("a failure on the way is an error with a code", async () => {
  const page = await openPage(someone());
  await page.chat.sendMessage({ text: "[[incomplete]] now" });
  await page.settled();
  assert.equal(page.chat.status, "error");
  const error = dataOf(page.reply(), "data-error");
  assert.equal(error.code, "run_incomplete");
  assert.equal(page.chat.error.message, error.message);
  assert.match(error.request_id, /^[0-9a-f]{32}$/);
  assert.equal(dataOf(page.reply(), "data-turn").state, "failed");
  await page.chat.sendMessage({ text: "still there?" });
  await page.settled(2);
  assert.match(page.text(), /still there/);
});

test("every word of a model arrives", async () => {
  const page = await openPage(someone());
  const said = "a\u2028b\u2029c \ud83d\ude00 <script> data: [DONE] \"q\" \\n end";
  await page.chat.sendMessage({ text: `[[say ${said}]]` });
  await page.settled();
  assert.equal(page.text(), said);
});

test("a wait that ends first leaves the turn open, to be taken up again", async () => {
  const page = await openPage({ ...someone(), body: { wait_seconds: 0.5 } });
  await page.chat.sendMessage({ text: "[[slow 1]] later" });
  await page.settled();
  assert.deepEqual(page.errors, []);
  const turn = dataOf(page.reply(), "data-turn");
  assert.equal(turn.state, "open");
  assert.ok(turn.retry_after >= 1);
  await page.chat.resumeStream();
  await page.settled(2);
  assert.equal(page.text(), "Emulated reply 1 to: later");
});

test("a team at work: what is called and handed over is part of the message", async () => {
  const page = await openPage(someone());
  const handoff = { reason: "a script", task: "write it" };
  await page.chat.sendMessage({
    text: `[[tool nothing {"__proto__": {"a": 1}}]] [[then]] [[tool transfer_to_script_writer ${JSON.stringify(handoff)}]] go`,
  });
  await page.settled();
  assert.deepEqual(page.errors, []);
  const [tool] = page.reply().parts.filter((part) => part.type === "dynamic-tool");
  assert.deepEqual([tool.toolName, tool.state, tool.providerExecuted], ["nothing", "output-error", true]);
  assert.equal(tool.input, '{"__proto__": {"a": 1}}', "what no reader takes is shown as text");
  assert.deepEqual(dataOf(page.reply(), "data-handoff"), { from: "orchestrator", to: "script_writer", ...handoff });
  assert.equal(page.reply().metadata.agent, "script_writer");
  assert.equal(page.reply().metadata.handoffs.length, 1);
});
