import type { Element, ElementContent } from "hast";
import { type ReactNode, useEffect, useState } from "react";
import { CopyButton } from "../page/CopyButton";

const LONGEST = 20_000; // characters that are coloured

/** Code under its language, with a button that copies it. */
export function CodeBlock({ node, children }: { node: Element | undefined; children?: ReactNode }) {
  const inner = node?.children.find((child): child is Element => child.type === "element");
  const code = inner ? textOf(inner) : "";
  const language = languageOf(inner);
  const coloured = useColours(language, code);
  return (
    <figure className="code">
      <figcaption>
        <span>{language || "text"}</span>
        <CopyButton text={code} of="code" />
      </figcaption>
      <pre tabIndex={0} role="group" aria-label={language ? `Code, ${language}` : "Code"} dir="ltr">
        {coloured ? <code>{coloured}</code> : children}
      </pre>
    </figure>
  );
}

function useColours(language: string, code: string): ReactNode {
  const [coloured, setColoured] = useState<{ code: string; words: ReactNode } | null>(null);
  useEffect(() => {
    if (!language || code.length > LONGEST) return;
    let gone = false;
    import("./highlight").then(
      ({ highlighted }) => void (!gone && setColoured({ code, words: highlighted(language, code) })),
      () => undefined, // it stays without colours
    );
    return () => void (gone = true);
  }, [language, code]);
  return coloured?.code === code ? coloured.words : null;
}

function languageOf(code: Element | undefined): string {
  const classes = code?.properties.className;
  const named = Array.isArray(classes) ? classes.find((name) => String(name).startsWith("language-")) : undefined;
  return named ? String(named).slice("language-".length) : "";
}

function textOf(node: ElementContent): string {
  if (node.type === "text") return node.value;
  return node.type === "element" ? node.children.map(textOf).join("") : "";
}
