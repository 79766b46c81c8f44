import { Suspense, lazy, useState } from "react";
import { NewPassword, SignIn } from "../account/SignIn";
import type { Config } from "../account/config";
import { type AuthClient, expire, leave, useSession } from "../account/session";
import { PageSkeleton } from "./Skeleton";

/** Fetched beside what the page begins with, so that the first paint does not wait for it. */
export const loadSignedIn = () => import("./SignedIn");
const SignedIn = lazy(loadSignedIn);

export function App({ config, auth }: { config: Config; auth: AuthClient }) {
  const [session, recovering, recovered] = useSession(auth);
  const [notice, setNotice] = useState("");
  if (session === undefined) return <PageSkeleton />;
  if (!session) return <SignIn auth={auth} config={config} notice={notice} />;
  if (recovering) return <NewPassword auth={auth} onDone={recovered} />;
  return (
    <Suspense fallback={<PageSkeleton />}>
      <SignedIn
        key={session.user.id}
        config={config}
        auth={auth}
        user={session.user}
        onLeave={() => {
          setNotice("");
          void leave(auth, session.user.id);
        }}
        onExpired={() => {
          setNotice("Your session is over. Please sign in again.");
          void expire(auth);
        }}
      />
    </Suspense>
  );
}
