import { useState } from "react";
import type { Api } from "../client";
import { Popover } from "../page/Popover";
import { useNotifications } from "../page/attention";
import { useTheme } from "../page/theme";
import { wordsFor } from "../page/words";
import { saveEverything } from "./own-data";

interface Properties {
  api: Api;
  email: string;
  onShortcuts: () => void;
  onDeleteEverything: () => void;
  onSignOut: () => void;
}

/** Who is signed in, their settings, and what can be done with all that they have here. */
export function AccountMenu({ api, email, onShortcuts, onDeleteEverything, onSignOut }: Properties) {
  const [theme, changeTheme] = useTheme();
  const [notified, changeNotified] = useNotifications();
  const [refusal, setRefusal] = useState<unknown>(null);
  return (
    <div className="account">
      <span className="who" title={email}>
        {email}
      </span>
      {refusal !== null && (
        <p className="hint wrong" role="alert">
          {wordsFor(refusal)}
        </p>
      )}
      <Popover label="Settings" className="text" edge="end">
        {(close) => {
          const act = (what: () => void) => () => {
            close();
            what();
          };
          return (
            <>
              <button type="button" onClick={changeTheme}>
                Colours: {theme === "system" ? "as the system says" : theme}
              </button>
              {notified !== null && (
                <button type="button" onClick={changeNotified}>
                  Notifications: {notified === "blocked" ? "your browser does not allow them" : notified}
                </button>
              )}
              <button type="button" onClick={act(onShortcuts)}>
                Keyboard shortcuts
              </button>
              <button type="button" onClick={act(() => void saveEverything(api).then(() => setRefusal(null), setRefusal))}>
                Download everything
              </button>
              <button type="button" className="wrong" onClick={act(onDeleteEverything)}>
                Delete everything of mine
              </button>
            </>
          );
        }}
      </Popover>
      <button type="button" className="text" onClick={onSignOut}>
        Sign out
      </button>
    </div>
  );
}
