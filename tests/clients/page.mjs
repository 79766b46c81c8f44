// A page with one chat in it, as the README says to write one, rendered by React without a browser.
import { DefaultChatTransport } from "ai";
import { useChat } from "@ai-sdk/react";
import { createElement } from "react";
import { create } from "react-test-renderer";

import { FUNCTION_URL, until } from "./environment.mjs";

/** @returns a function that gives what useChat returned last, and `data`, every data part in the order of arrival */
export function openPage({ token, conversation, body = {}, headers = {}, at = FUNCTION_URL, ...options }) {
  const page = { data: [], errors: [], finished: 0 };
  const transport = new DefaultChatTransport({ api: at, headers: { Authorization: `Bearer ${token}`, ...headers }, body });
  function Page() {
    page.chat = useChat({
      id: conversation,
      transport,
      // as it was then: the part of an id is changed in place by the next one of that id
      onData: (part) => page.data.push(structuredClone(part)),
      onError: (error) => page.errors.push(error),
      onFinish: () => page.finished++,
      ...options,
    });
    return null;
  }
  page.root = create(createElement(Page));
  page.reply = () => page.chat.messages.findLast((message) => message.role === "assistant");
  page.text = () => textOf(page.reply());
  page.states = () => page.data.filter((part) => part.type === "data-turn").map((part) => part.data.state);
  page.settled = (count = 1) => until(() => page.finished >= count && ["ready", "error"].includes(page.chat.status));
  return until(() => page.chat).then(() => page);
}

export function textOf(message) {
  return (message?.parts ?? []).filter((part) => part.type === "text").map((part) => part.text).join("");
}

export function dataOf(message, type) {
  return message.parts.find((part) => part.type === type)?.data;
}
