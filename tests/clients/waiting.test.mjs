// A turn that waits for a person, with the AI SDK's own parts: approvals and functions of the browser, answered by useChat.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { before, test } from "node:test";

import {
  lastAssistantMessageIsCompleteWithApprovalResponses,
  lastAssistantMessageIsCompleteWithToolCalls,
  safeValidateUIMessages,
} from "ai";

import { FUNCTION_URL, OTHER_FUNCTION_URL, SECRET_KEY, SUPABASE_URL, token, until } from "./environment.mjs";
import { dataOf, openPage } from "./page.mjs";

const userId = randomUUID();
const user = token(userId);
const someone = () => ({
  token: user,
  conversation: randomUUID(),
  body: { agent: "asker" },
  headers: { "x-chat-parts": "approval" },
});
const WRITE = '[[tool write_project {"title": "Owls"}]]';

before(async () => {
  const agent = {
    owner_id: userId,
    slug: "asker",
    name: "Asker",
    model: "emulated-model",
    tools: ["write_project"],
    approvals: ["write_project"],
    hosted_tools: [{ type: "mcp", server_label: "issues", server_url: "https://issues.example/mcp" }],
    client_tools: [{ name: "where_am_i", description: "The user's place.", parameters: { type: "object", properties: {} } }],
  };
  const headers = { apikey: SECRET_KEY, Authorization: `Bearer ${SECRET_KEY}`, "Content-Type": "application/json" };
  const made = await fetch(`${SUPABASE_URL}/rest/v1/chat_agents`, { method: "POST", headers, body: JSON.stringify(agent) });
  assert.equal(made.status, 201, await made.text());
});

const toolOf = (page, name) => page.reply()?.parts.find((part) => part.type === "dynamic-tool" && part.toolName === name);

/** The SDK's own validator takes the page as it is, and the transcript as it is shown after a reload. */
async function assertValid(page, them) {
  const path = `${FUNCTION_URL}/conversations/${them.conversation}/messages?format=ui`;
  const shown = await (await fetch(path, { headers: { Authorization: `Bearer ${user}`, ...them.headers } })).json();
  for (const messages of [page.chat.messages, shown.messages]) {
    const validated = await safeValidateUIMessages({ messages });
    assert.ok(validated.success, `${validated.error} ${JSON.stringify(messages)}`);
  }
  return shown.messages.at(-1).parts.filter((part) => part.type === "dynamic-tool");
}

test("a call that is allowed runs, and the answer goes on in the same message", async () => {
  const page = await openPage({
    ...someone(),
    sendAutomaticallyWhen: lastAssistantMessageIsCompleteWithApprovalResponses,
  });
  await page.chat.sendMessage({ text: `[[aside Let me write.]] ${WRITE} go` });
  await page.settled();
  assert.equal(dataOf(page.reply(), "data-turn").state, "waiting");
  const asked = toolOf(page, "write_project");
  assert.deepEqual([asked.state, asked.input], ["approval-requested", { title: "Owls" }]);
  await page.chat.addToolApprovalResponse({ id: asked.approval.id, approved: true });
  await page.settled(2);
  assert.deepEqual(page.errors, []);
  assert.equal(page.chat.messages.length, 2);
  const done = toolOf(page, "write_project");
  assert.deepEqual([done.state, done.output.title], ["output-available", "Owls"]);
  const texts = page.reply().parts.filter((part) => part.type === "text").map((part) => part.text);
  assert.equal(texts.filter((text) => text === "Let me write.").length, 1, texts.join("|"));
  assert.match(texts.at(-1), /^Emulated reply/);
  assert.equal(dataOf(page.reply(), "data-turn").state, "completed");
});

test("a call of an MCP server is allowed in the same way, and what is cited comes as the SDK's own part", async () => {
  const them = someone();
  const page = await openPage({
    ...them,
    sendAutomaticallyWhen: lastAssistantMessageIsCompleteWithApprovalResponses,
  });
  await page.chat.sendMessage({ text: '[[mcp issues.create {"title": "Owls"}]] [[cite https://owls.example Owls]] go' });
  await page.settled();
  const asked = toolOf(page, "issues.create");
  assert.deepEqual([asked.state, asked.input], ["approval-requested", { title: "Owls" }]);
  await page.chat.addToolApprovalResponse({ id: asked.approval.id, approved: true });
  await page.settled(2);
  assert.deepEqual(page.errors, []);
  const done = toolOf(page, "issues.create");
  assert.deepEqual([done.state, done.output], ["output-available", "emulated result"]);
  const [reloaded] = await assertValid(page, them);
  assert.deepEqual([reloaded.state, reloaded.output, reloaded.approval.approved], ["output-available", "emulated result", true]);
  const { parts } = page.reply();
  assert.match(parts.filter((part) => part.type === "text").at(-1).text, /issues\.create -> emulated result/);
  const sources = parts.filter((part) => part.type === "source-url");
  assert.deepEqual(sources.map(({ url, title }) => [url, title]), [["https://owls.example", "Owls"]]);
});

test("a call that is denied does not run, whichever instance is told", async () => {
  const them = someone();
  const page = await openPage({ ...them, sendAutomaticallyWhen: lastAssistantMessageIsCompleteWithApprovalResponses });
  await page.chat.sendMessage({ text: `${WRITE} go` });
  await page.settled();
  const later = await openPage({
    ...them,
    at: OTHER_FUNCTION_URL,
    resume: true,
    sendAutomaticallyWhen: lastAssistantMessageIsCompleteWithApprovalResponses,
  });
  await later.settled();
  const asked = toolOf(later, "write_project");
  assert.equal(asked.state, "approval-requested", "a page that is opened later is asked as well");
  await later.chat.addToolApprovalResponse({ id: asked.approval.id, approved: false, reason: "not now" });
  await later.settled(2);
  const denied = toolOf(later, "write_project");
  assert.deepEqual([denied.state, denied.approval.approved], ["output-denied", false]);
  const [reloaded] = await assertValid(later, them);
  assert.equal(reloaded.state, "output-denied");
  assert.match(reloaded.approval.reason, /not now/);
  await page.chat.resumeStream();
  await assertValid(page, them);
  assert.match(later.text(), /not now/);
});

test("a function of the browser is answered by the page", async () => {
  const page = await openPage({ ...someone(), sendAutomaticallyWhen: lastAssistantMessageIsCompleteWithToolCalls });
  await page.chat.sendMessage({ text: "[[tool where_am_i {}]] go" });
  await page.settled();
  const asked = toolOf(page, "where_am_i");
  assert.deepEqual([asked.state, asked.providerExecuted], ["input-available", undefined]);
  await page.chat.addToolOutput({ tool: "where_am_i", toolCallId: asked.toolCallId, output: { city: "Bonn" } });
  await page.settled(2);
  assert.deepEqual(page.errors, []);
  assert.match(page.text(), /Bonn/);
  assert.equal(page.chat.messages.length, 2);
});

test("a page sends its answers once, when its user has said all of them, in either order", async () => {
  for (const toolFirst of [true, false]) {
    const page = await openPage({
      ...someone(),
      sendAutomaticallyWhen: (chat) =>
        lastAssistantMessageIsCompleteWithToolCalls(chat) || lastAssistantMessageIsCompleteWithApprovalResponses(chat),
    });
    await page.chat.sendMessage({ text: `[[tool where_am_i {}]] ${WRITE} go` });
    await page.settled();
    const [where, write] = [toolOf(page, "where_am_i"), toolOf(page, "write_project")];
    const said = [
      () => page.chat.addToolOutput({ tool: "where_am_i", toolCallId: where.toolCallId, output: { city: "Bonn" } }),
      () => page.chat.addToolApprovalResponse({ id: write.approval.id, approved: true }),
    ];
    for (const say of toolFirst ? said : said.reverse()) await say();
    await until(() => dataOf(page.reply(), "data-turn").state === "completed");
    await page.settled(2);
    assert.equal(page.finished, 2, "the message and its answers, each sent once");
    assert.deepEqual(page.errors, []);
    assert.match(page.text(), /Bonn/);
  }
});

test("a page whose call was answered by another one is told what came of it, and asks no more", async () => {
  const them = { ...someone(), sendAutomaticallyWhen: lastAssistantMessageIsCompleteWithToolCalls };
  const page = await openPage(them);
  await page.chat.sendMessage({ text: "[[tool where_am_i {}]] go" });
  await page.settled();
  const late = await openPage({ ...them, at: OTHER_FUNCTION_URL, resume: true });
  await late.settled();
  const say = ({ chat }, output) =>
    chat.addToolOutput({ tool: "where_am_i", toolCallId: toolOf(page, "where_am_i").toolCallId, output });
  await say(page, "Bonn");
  await page.settled(2);
  await say(late, "Rome");
  await late.settled(2);
  assert.equal(dataOf(late.reply(), "data-turn").state, "completed");
  assert.match(late.text(), /Bonn/);
  assert.deepEqual([late.finished, late.errors], [2, []]);
});

test("a page that does not know those parts is shown a part of our own, and answers by a request", async () => {
  const page = await openPage({ ...someone(), headers: {} });
  await page.chat.sendMessage({ text: `${WRITE} go` });
  await page.settled();
  assert.deepEqual(page.errors, []);
  const call = dataOf(page.reply(), "data-call");
  assert.deepEqual([call.kind, call.arguments], ["approval", { title: "Owls" }]);
  const answer = await fetch(`${FUNCTION_URL}/turns/${page.reply().id}/answers`, {
    method: "POST",
    headers: { Authorization: `Bearer ${user}`, "Content-Type": "application/json" },
    body: JSON.stringify({ call_id: call.call_id, approve: true }),
  });
  assert.equal(answer.status, 202);
  await page.chat.resumeStream();
  await until(() => dataOf(page.reply(), "data-turn").state === "completed");
  assert.match(page.text(), /Emulated reply/);
});
