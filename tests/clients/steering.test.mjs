// A message that joins the answer under way, sent by a second tab: as the AI SDK's own part where the page says so.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { before, test } from "node:test";

import { lastAssistantMessageIsCompleteWithApprovalResponses } from "ai";

import { FUNCTION_URL, OTHER_FUNCTION_URL, SECRET_KEY, SUPABASE_URL, token, until } from "./environment.mjs";
import { dataOf, openPage, textOf } from "./page.mjs";

const userId = randomUUID();
const user = token(userId);

before(async () => {
  const agent = {
    owner_id: userId,
    slug: "steered",
    name: "Steered",
    model: "emulated-model",
    tools: ["write_project"],
    approvals: ["write_project"],
  };
  const headers = { apikey: SECRET_KEY, Authorization: `Bearer ${SECRET_KEY}`, "Content-Type": "application/json" };
  const made = await fetch(`${SUPABASE_URL}/rest/v1/chat_agents`, { method: "POST", headers, body: JSON.stringify(agent) });
  assert.equal(made.status, 201, await made.text());
});

for (const steering of [true, false]) {
  test(`a second tab steers, a page that ${steering ? "knows" : "does not know"} the part`, async () => {
    const them = { token: user, conversation: randomUUID() };
    const page = await openPage({
      ...them,
      body: { agent: "steered" },
      headers: { "x-chat-parts": steering ? "approval, steering" : "approval" },
      sendAutomaticallyWhen: lastAssistantMessageIsCompleteWithApprovalResponses,
    });
    await page.chat.sendMessage({ text: '[[aside Let me write.]] [[tool write_project {"title": "Owls"}]] go' });
    await page.settled();
    const asked = page.reply().parts.find((part) => part.state === "approval-requested");
    const tab = await openPage({ ...them, at: OTHER_FUNCTION_URL, body: { multitask_strategy: "steer" } });
    const sent = tab.chat.sendMessage({ text: "in green" });
    await until(() => tab.states().includes("queued"));
    await page.chat.addToolApprovalResponse({ id: asked.approval.id, approved: true });
    await page.settled(2);
    await sent;
    await tab.settled();
    assert.deepEqual([page.errors, tab.errors], [[], []]);
    assert.equal(page.chat.messages.length, 2, "the answer goes on in its message");
    const parts = page.reply().parts;
    const kind = steering ? "steering-message" : "data-steered";
    const told = parts.findIndex((part) => part.type === kind);
    const spoken = parts.flatMap((part, at) => (part.type === "text" ? [[at < told, part.text]] : []));
    assert.deepEqual(spoken[0], [true, "Let me write."]);
    assert.match(spoken.at(-1)[1], /^Emulated reply 2 to: in green/);
    assert.equal(spoken.at(-1)[0], false);
    assert.equal(steering ? parts[told].parts[0].text : parts[told].data.text, "in green");
    assert.equal(dataOf(tab.reply(), "data-turn").steered_into, page.reply().id);
    assert.equal(tab.text(), spoken.at(-1)[1], "the message hears what is said from then on");
    const path = `${FUNCTION_URL}/conversations/${them.conversation}/messages?format=ui`;
    const shown = (await (await fetch(path, { headers: { Authorization: `Bearer ${user}` } })).json()).messages;
    assert.deepEqual(shown.map((one) => one.role), ["user", "assistant", "user", "assistant"]);
    assert.deepEqual(shown.slice(2).map((one) => one.id), tab.chat.messages.map((one) => one.id));
    assert.equal(textOf(shown[1]), "Let me write.");
  });
}
