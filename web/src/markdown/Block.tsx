import { memo, useEffect, useId, useState } from "react";
import ReactMarkdown, { type Components } from "react-markdown";
import remarkBreaks from "remark-breaks";
import remarkGfm from "remark-gfm";
import type { PluggableList } from "unified";
import { CodeBlock } from "./CodeBlock";

/** Only what leads to a page, an inbox or a footnote; anything else loses its target. */
function safeUrl(url: string): string {
  return /^(https?:|mailto:|#)/i.test(url.trim()) ? url : "";
}

// Headings begin below those of the page; a paragraph in a script of its own gets the direction of that script.
const components: Components = {
  h1: ({ children }) => <h3 dir="auto" className="h1">{children}</h3>,
  h2: ({ children, id }) => <h4 dir="auto" className={id === "footnote-label" ? "hidden" : "h2"}>{children}</h4>,
  h3: ({ children }) => <h5 dir="auto" className="h3">{children}</h5>,
  h4: ({ children }) => <h6 dir="auto">{children}</h6>,
  h5: ({ children }) => <h6 dir="auto">{children}</h6>,
  h6: ({ children }) => <h6 dir="auto">{children}</h6>,
  p: ({ children }) => <p dir="auto">{children}</p>,
  ul: ({ children, className }) => <ul dir="auto" className={className}>{children}</ul>,
  ol: ({ children, start }) => <ol dir="auto" start={start}>{children}</ol>,
  blockquote: ({ children }) => <blockquote dir="auto">{children}</blockquote>,
  a: ({ href, children, id, "aria-label": label }) => {
    if (!href) return <span>{children}</span>;
    if (href.startsWith("#")) {
      return (
        <a href={href} id={id} aria-label={label} onClick={(event) => jump(event, href)}>
          {children}
        </a>
      );
    }
    return (
      <a href={href} target="_blank" rel="noopener noreferrer nofollow">
        {children}
      </a>
    );
  },
  // A picture would be fetched without the reader's doing, and could carry words of the conversation in its address.
  img: ({ src, alt }) =>
    typeof src === "string" && src ? (
      <a href={src} target="_blank" rel="noopener noreferrer nofollow">
        Picture: {alt || src}
      </a>
    ) : (
      <span>{alt}</span>
    ),
  input: ({ checked }) => <input type="checkbox" checked={checked} disabled aria-label={checked ? "done" : "to do"} />,
  table: ({ children }) => (
    <div className="scroll" tabIndex={0} role="group" aria-label="Table">
      <table>{children}</table>
    </div>
  ),
  pre: ({ children, node }) => <CodeBlock node={node}>{children}</CodeBlock>,
};

/** The conversation's id stands behind the # of the address: a footnote is gone to without changing it. */
function jump(event: React.MouseEvent, href: string): void {
  event.preventDefault();
  const target = document.getElementById(decodeURIComponent(href.slice(1)));
  target?.scrollIntoView({ block: "center" });
  target?.setAttribute("tabindex", "-1");
  target?.focus({ preventScroll: true });
}

interface Extras {
  remark: PluggableList;
  rehype: PluggableList;
}

/** One block of Markdown. What draws formulas is fetched by the first block that has one. */
export default memo(function Block({ text }: { text: string }) {
  const [formulas, setFormulas] = useState<Extras | null>(null);
  const prefix = `${useId().replaceAll(/\W/g, "")}-`;
  const wanted = hasFormula(text);
  useEffect(() => {
    if (!wanted) return;
    let gone = false;
    import("./formulas").then(
      (found) => void (!gone && setFormulas(found.extras)),
      () => undefined, // the formula stays text
    );
    return () => void (gone = true);
  }, [wanted]);
  const extras = wanted && formulas ? formulas : { remark: [], rehype: [] };
  return (
    <ReactMarkdown
      remarkPlugins={[remarkGfm, remarkBreaks, ...extras.remark]}
      rehypePlugins={extras.rehype}
      remarkRehypeOptions={{ clobberPrefix: prefix, footnoteLabelProperties: { className: ["hidden"] } }}
      components={components}
      urlTransform={safeUrl}
    >
      {extras.remark.length ? withDollars(text) : text}
    </ReactMarkdown>
  );
});

/** Two dollar signs around it, or what models write instead of them: \( \) and \[ \]. One dollar sign is money. */
const hasFormula = (text: string) => /\$\$|\\\(|\\\[/.test(text) && !/^ {0,3}(```|~~~)/.test(text);

/** The brackets as dollar signs; what stands in code stays. */
const withDollars = (text: string) =>
  text.replaceAll(/(`+)[\s\S]*?\1|\\\[([\s\S]+?)\\\]|\\\((.+?)\\\)/g, (whole, _code, block?: string, inline?: string) => {
    if (block) return `\n$$$$\n${block.trim()}\n$$$$\n`;
    return inline ? `$$$$${inline.trim()}$$$$` : whole;
  });
