import { Suspense, lazy, useCallback, useState } from "react";
import { NewPassword, SignIn } from "../account/SignIn";
import type { Config } from "../account/config";
import { type AuthClient, expire, forget, leave, linkTrouble, useSession } from "../account/session";
import { PageSkeleton } from "./Skeleton";
import { useOperators } from "./address";

/** Fetched beside what the page begins with, so that the first paint does not wait for it. */
export const loadSignedIn = () => import("./SignedIn");
const SignedIn = lazy(loadSignedIn);
const Operators = lazy(() => import("../operators/Operators"));

const DONE_MS = 8000; // how long it is said that all has been deleted

export function App({ config, auth }: { config: Config; auth: AuthClient }) {
  const { session, recovering, onRecovered, forgotten } = useSession(auth);
  const [notice, setNotice] = useState(linkTrouble);
  const [deleted, setDeleted] = useState(false);
  const operators = useOperators();
  const expired = useCallback(() => {
    setNotice("Your session is over. Please sign in again.");
    void expire(auth);
  }, [auth]);
  if (session === undefined) return <PageSkeleton />;
  if (!session) return <SignIn auth={auth} config={config} notice={notice} />;
  if (recovering) return <NewPassword auth={auth} onDone={onRecovered} />;
  if (operators !== null) {
    return (
      <Suspense fallback={<PageSkeleton />}>
        <Operators config={config} auth={auth} place={operators} onExpired={expired} />
      </Suspense>
    );
  }
  return (
    <Suspense fallback={<PageSkeleton />}>
      <SignedIn
        key={`${session.user.id} ${forgotten}`}
        config={config}
        auth={auth}
        user={session.user}
        onLeave={() => {
          setNotice("");
          void leave(auth, session.user.id);
        }}
        onExpired={expired}
        deleted={deleted}
        onDeleted={() => {
          setDeleted(true);
          setTimeout(() => setDeleted(false), DONE_MS);
          forget(session.user.id);
        }}
      />
    </Suspense>
  );
}
