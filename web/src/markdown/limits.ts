// Which words are drawn as Markdown and which are shown as they came. A model may write anything: thousands of quotes
// inside one another, or brackets that make a parser look ahead again and again. The figures keep one block's parsing
// below about a tenth of a second, and its elements few enough for React's stack.

const LONGEST = 20_000; // characters; code has no such limit, as a fence is parsed in one go
const DEEPEST_QUOTE = 24;
const DEEPEST_INDENT = 80; // columns
const MOST_BRACKETS = 800;
const MOST_MARKS = 800; // of emphasis in a row or nested
const MOST_CELLS = 4000;
const MOST_FORMULAS = 400;

export function isDrawable(block: string): boolean {
  if (/^ {0,3}(```|~~~)/.test(block)) return true;
  return (
    block.length <= LONGEST &&
    count(block, /\[/g) <= MOST_BRACKETS &&
    count(block, /[*_~]/g) <= MOST_MARKS &&
    count(block, /\|/g) <= MOST_CELLS &&
    count(block, /\\\(/g) <= MOST_FORMULAS &&
    !block.split("\n").some(isDeep)
  );
}

function isDeep(line: string): boolean {
  const opening = /^[\s>*+\-\d.)]*/.exec(line)![0]; // quotes and lists that open on one line
  return count(opening, />/g) > DEEPEST_QUOTE || opening.length > DEEPEST_INDENT;
}

const count = (text: string, pattern: RegExp) => text.match(pattern)?.length ?? 0;
