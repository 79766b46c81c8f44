// Grey places where words will be. index.html has the same ones for the time before any script runs.

export function PageSkeleton() {
  return (
    <div className="page loading" role="status" aria-label="Loading">
      <header>
        <h1>Multi-agent chat</h1>
      </header>
      <aside>
        <ListSkeleton />
      </aside>
      <main>
        <MessagesSkeleton />
      </main>
    </div>
  );
}

export function ListSkeleton() {
  return (
    <div className="skeleton list" aria-hidden="true">
      <i /> <i /> <i /> <i /> <i />
    </div>
  );
}

export function MessagesSkeleton() {
  return (
    <div className="skeleton words" aria-hidden="true">
      <i /> <i /> <i /> <i />
    </div>
  );
}
