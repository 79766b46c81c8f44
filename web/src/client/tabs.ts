// Tabs of one browser tell each other that something was accepted or has ended. What it was, each asks the server.

const CHANNEL = "multi-agent-chat";

export class Tabs {
  private channel: BroadcastChannel | null = "BroadcastChannel" in window ? new BroadcastChannel(CHANNEL) : null;

  constructor(onChange: (conversation: string) => void) {
    this.channel?.addEventListener("message", (event: MessageEvent<unknown>) => {
      if (typeof event.data === "string") onChange(event.data);
    });
  }

  tell(conversation: string): void {
    this.channel?.postMessage(conversation);
  }

  /** Ends it. What is still told afterwards, by a request that was under way, reaches no tab. */
  close(): void {
    this.channel?.close();
    this.channel = null;
  }
}
