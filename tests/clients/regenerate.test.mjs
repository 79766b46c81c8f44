// The AI SDK's own ways to have a message answered anew, with its default transport and no line of adapting.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";

import { FUNCTION_URL, OTHER_FUNCTION_URL, token, until } from "./environment.mjs";
import { dataOf, openPage, textOf } from "./page.mjs";

const someone = () => ({ token: token(), conversation: randomUUID() });

async function get(them, path) {
  const answer = await fetch(FUNCTION_URL + path, { headers: { Authorization: `Bearer ${them.token}` } });
  return answer.json();
}

/** What the transcript holds, as the page would be given it. */
async function transcript(them) {
  return (await get(them, `/conversations/${them.conversation}/messages?format=ui`)).messages;
}

const texts = (messages) => messages.map((message) => [message.role, textOf(message)]);

test("regenerate answers the same message again, each time it is pressed", async () => {
  const them = someone();
  const page = await openPage(them);
  await page.chat.sendMessage({ text: "hello" });
  await page.settled();
  const first = page.reply();
  await page.chat.regenerate();
  await page.settled(2);
  const second = page.reply();
  assert.notEqual(second.id, first.id);
  assert.equal(second.metadata.replayed, false);
  await page.chat.regenerate({ messageId: second.id });
  await page.settled(3);
  assert.deepEqual(page.errors, []);
  assert.equal((await get(them, `/turns/${page.reply().id}`)).replaced, second.id);
  assert.equal((await get(them, `/turns/${first.id}`)).reply.text, textOf(first));
  const shown = await transcript(them);
  assert.deepEqual(texts(shown), texts(page.chat.messages));
  assert.deepEqual(shown.map((message) => message.id), page.chat.messages.map((message) => message.id));
});

test("an edited message is answered in the place of the first one, and of all behind it", async () => {
  const them = someone();
  const page = await openPage(them);
  await page.chat.sendMessage({ text: "first" });
  await page.settled();
  await page.chat.sendMessage({ text: "second" });
  await page.settled(2);
  await page.chat.sendMessage({ text: "edited", messageId: page.chat.messages[0].id });
  await page.settled(3);
  assert.deepEqual(page.errors, []);
  assert.match(page.text(), /to: edited$/);
  assert.deepEqual(texts(await transcript(them)), texts(page.chat.messages));
});

test("a turn that failed is tried again by regenerate, and by sending nothing", async () => {
  const them = someone();
  const page = await openPage(them);
  await page.chat.sendMessage({ text: "[[incomplete]] hello" });
  await page.settled();
  const failed = page.reply().id;
  await page.chat.regenerate();
  await page.settled(2);
  assert.equal((await get(them, `/turns/${page.reply().id}`)).replaced, failed);
  const turns = (await get(them, `/conversations/${them.conversation}`)).turns;
  assert.equal(turns, 2);
});

test("a message that was refused is sent by regenerate", async () => {
  const them = someone();
  const busy = await openPage(them);
  busy.chat.sendMessage({ text: "[[slow 1]] first" });
  await until(() => busy.states().includes("running"));
  const page = await openPage({ ...them, body: { multitask_strategy: "reject" } });
  await page.chat.sendMessage({ text: "second" });
  await page.settled();
  assert.equal(page.chat.error.statusCode, 409);
  await busy.settled();
  await page.chat.regenerate();
  await page.settled(2);
  assert.equal(page.text(), "Emulated reply 2 to: second");
  assert.equal(page.reply().metadata.seq, 2);
});

test("it need not wait for what another tab follows, and that tab is told", async () => {
  const them = someone();
  const [one, two] = [await openPage(them), await openPage({ ...them, at: OTHER_FUNCTION_URL })];
  one.chat.sendMessage({ text: "[[slow 20]] first" });
  await until(() => one.states().includes("running"));
  two.chat.setMessages(one.chat.messages.slice(0, 1));
  await until(() => two.chat.messages.length === 1);
  two.chat.sendMessage({ text: "instead", messageId: one.chat.messages[0].id });
  await Promise.all([one.settled(), two.settled()]);
  assert.equal(dataOf(one.reply(), "data-error").details.superseded_by, two.reply().id);
  assert.match(two.text(), /to: instead$/);
  assert.deepEqual(texts(await transcript(them)), texts(two.chat.messages));
});

test("two tabs that regenerate at once show one answer", async () => {
  const them = someone();
  const [one, two] = [await openPage(them), await openPage({ ...them, at: OTHER_FUNCTION_URL })];
  await one.chat.sendMessage({ text: "[[slow 1]] hello" });
  await one.settled();
  two.chat.setMessages(await transcript(them));
  await until(() => two.chat.messages.length === 2);
  one.chat.regenerate();
  two.chat.regenerate({ messageId: two.reply().id });
  await Promise.all([one.settled(2), two.settled()]);
  assert.equal(one.reply().id, two.reply().id);
  assert.equal(one.text(), two.text());
  assert.deepEqual(texts(await transcript(them)), texts(one.chat.messages));
});

test("a chat may have any id of its own, and be resumed by it before and after its first message", async () => {
  const them = { token: token(), conversation: "my chat/1" };
  const page = await openPage({ ...them, resume: true });
  await page.chat.sendMessage({ text: "[[slow 1]] hello" });
  await page.settled();
  const again = page.chat.regenerate();
  await until(() => page.chat.messages.length === 2 && page.states().at(-1) !== "completed");
  const resumed = await openPage({ ...them, resume: true, at: OTHER_FUNCTION_URL });
  await Promise.all([again, resumed.settled()]);
  assert.deepEqual([...page.errors, ...resumed.errors], []);
  assert.equal(resumed.reply().id, page.reply().id);
  assert.notEqual(page.reply().metadata.conversation_id, them.conversation);
});
