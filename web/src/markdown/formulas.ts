// What draws formulas: TeX becomes MathML, which browsers lay out themselves and screen readers read.
import rehypeKatex from "rehype-katex";
import remarkMath from "remark-math";
import type { PluggableList } from "unified";

export const extras: { remark: PluggableList; rehype: PluggableList } = {
  remark: [[remarkMath, { singleDollarTextMath: false }]],
  rehype: [[rehypeKatex, { output: "mathml", maxExpand: 100, maxSize: 20, trust: false }]],
};
