import { Suspense, lazy, memo, useDeferredValue, useMemo } from "react";
import { Fallback, PlainText } from "./Fallback";
import { blocksOf } from "./blocks";
import { isDrawable } from "./limits";

const load = () => import("./Block");
const Block = lazy(load);

/** Fetches what draws Markdown before it is needed. */
export function preloadMarkdown(): void {
  void load().catch(() => undefined); // it is fetched again when it is needed
}

/** A model's words, block by block. HTML in them stays text. */
export const Markdown = memo(function Markdown({ text }: { text: string }) {
  const settled = useDeferredValue(text); // typing and scrolling go before drawing
  const blocks = useMemo(() => blocksOf(settled), [settled]);
  return (
    <div className="markdown">
      {blocks.map((block, at) => (
        <SafeBlock key={at} text={block} />
      ))}
    </div>
  );
});

const SafeBlock = memo(function SafeBlock({ text }: { text: string }) {
  const plain = <PlainText text={text} />;
  if (!isDrawable(text)) return plain;
  return (
    <Fallback fallback={plain} of={text}>
      <Suspense fallback={plain}>
        <Block text={text} />
      </Suspense>
    </Fallback>
  );
});
