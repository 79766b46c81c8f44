import { useMemo } from "react";
import type { Config } from "../account/config";
import { type AuthClient, accessToken } from "../account/session";
import { Api } from "../client";
import "../style/operators.css";
import { Overview } from "./Overview";
import { Timeline } from "./Timeline";

interface Properties {
  config: Config;
  auth: AuthClient;
  place: string; // what stands behind `#operators` in the address
  onExpired: () => void;
}

/** For those who run the service. What they may see is decided by the function, not here. */
export default function Operators({ config, auth, place, onExpired }: Properties) {
  const api = useMemo(
    () => new Api(config.functionUrl, (renewed) => accessToken(auth, renewed)),
    [config.functionUrl, auth],
  );
  const turn = /^\/turns\/([0-9a-f-]{36})$/.exec(place)?.[1];
  return (
    <div className="operators">
      <header>
        <h1>Multi-agent chat: operators</h1>
        <a href="#">To the chat</a>
      </header>
      <main>
        {turn ? (
          <Timeline key={turn} api={api} turn={turn} onExpired={onExpired} />
        ) : (
          <Overview api={api} onExpired={onExpired} />
        )}
      </main>
    </div>
  );
}
