import type { Source, StreamPart } from "../client";

/** What an answer cites, below it. */
export function Sources({ parts }: { parts: StreamPart[] }) {
  const sources = parts.flatMap((part) => (part.kind === "source" ? [part.source] : []));
  if (!sources.length) return null;
  return (
    <ol className="sources" aria-label="Sources">
      {sources.map((source, at) => (
        <li key={at} dir="auto">
          <SourceName source={source} />
        </li>
      ))}
    </ol>
  );
}

/** A link where the source has an address of the web: a model may write anything else there. */
function SourceName({ source: { url, title } }: { source: Source }) {
  if (!url || !/^https?:\/\//i.test(url)) return <>{title || "A file"}</>;
  return (
    <a href={url} target="_blank" rel="noopener noreferrer nofollow">
      {title || url}
    </a>
  );
}
