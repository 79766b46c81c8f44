import { createRoot } from "react-dom/client";
import { loadConfig } from "./account/config";
import { connect } from "./account/session";
import { App, loadSignedIn } from "./page/App";
import "./style/base.css";
import "./style/layout.css";
import "./style/sign-in.css";
import "./style/sidebar.css";
import "./style/messages.css";
import "./style/markdown.css";
import "./style/composer.css";
import "./style/print.css";

void loadSignedIn().catch(() => undefined); // it is fetched again when it is needed
const root = createRoot(document.getElementById("root")!);
try {
  const config = await loadConfig();
  root.render(<App config={config} auth={connect(config)} />);
} catch (error) {
  root.render(
    <main className="sign-in">
      <h1>Multi-agent chat</h1>
      <p role="alert">This page cannot start: {error instanceof Error ? error.message : "its settings cannot be read."}</p>
    </main>,
  );
}
