// Cuts Markdown where nothing before the cut can mean anything to what comes after it. Each block is then drawn once:
// while an answer streams only its last one changes. A cut that is not made costs time and never changes the meaning.

const FENCE = /^ {0,3}(`{3,}|~{3,})/;
const CONTINUES = /^(\s|[-*+] |\d{1,9}[.)] |[-*+]$)/; // indented, or an item of a list that goes on
const IN_LIST = /^ {0,3}([-*+]|\d{1,9}[.)])(\s|$)/;
const DEFINES = /^ {0,3}\[[^\]\n]+\]:/m; // footnotes and link targets hold for the whole text

export function blocksOf(text: string): string[] {
  if (DEFINES.test(text)) return [text];
  const blocks: string[] = [];
  let block: string[] = [];
  let fence: string | null = null;
  let formula = false;
  let list = false;
  let blank = false;
  for (const line of text.split("\n")) {
    const marks = FENCE.exec(line)?.[1];
    const starts = blank && fence === null && !formula && !(list && CONTINUES.test(line)) && !/^ {4}|^\t/.test(line);
    if (starts && line.trim() && block.length) {
      blocks.push(block.join("\n"));
      block = [];
    }
    if (!block.length) list = IN_LIST.test(line);
    block.push(line);
    if (fence === null && marks) fence = marks;
    else if (fence !== null && marks?.startsWith(fence) && !line.trim().slice(marks.length).trim()) fence = null;
    else if (fence === null && count(line) % 2) formula = !formula;
    blank = !line.trim();
  }
  if (block.some((line) => line.trim())) blocks.push(block.join("\n"));
  return blocks;
}

const count = (line: string) => line.split("$$").length - 1;
