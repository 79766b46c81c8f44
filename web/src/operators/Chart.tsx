// Values over time. The library draws on a canvas; what it shows is told in words beside it.
import { useEffect, useRef } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";

export interface Line {
  label: string;
  colour: string; // a variable of the style
  values: (number | null)[];
}

interface Properties {
  title: string;
  at: number[]; // seconds since 1970
  lines: Line[];
  show: (value: number) => string;
}

const HEIGHT = 190;

export function Chart({ title, at, lines, show }: Properties) {
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const home = box.current;
    if (!home) return;
    let plot: uPlot | undefined;
    const draw = () => {
      plot?.destroy();
      plot = new uPlot(options(home, lines, show), [at, ...lines.map((line) => line.values)], home);
    };
    draw();
    const resized = new ResizeObserver(() => plot?.setSize({ width: home.clientWidth, height: HEIGHT }));
    resized.observe(home);
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    scheme.addEventListener("change", draw);
    const theme = new MutationObserver(draw);
    theme.observe(document.documentElement, { attributeFilter: ["data-theme"] });
    return () => {
      resized.disconnect();
      theme.disconnect();
      scheme.removeEventListener("change", draw);
      plot?.destroy();
    };
  }, [at, lines, show]);
  return (
    <figure className="chart">
      <figcaption>{title}</figcaption>
      <div ref={box} role="img" aria-label={`${title}. ${inWords(lines, show)}`} />
    </figure>
  );
}

function options(home: HTMLElement, lines: Line[], show: (value: number) => string): uPlot.Options {
  const style = getComputedStyle(home);
  const colour = (name: string) => {
    home.style.setProperty("outline-color", `var(${name})`); // light-dark() has no value but in a property
    const value = style.outlineColor;
    home.style.removeProperty("outline-color");
    return value;
  };
  const axis = { stroke: colour("--soft"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false } };
  return {
    width: home.clientWidth,
    height: HEIGHT,
    cursor: { y: false },
    scales: { y: { range: (_plot, _low, high) => [0, Math.max(high * 1.1, 1)] } },
    axes: [axis, { ...axis, size: 72, values: (_plot, values) => values.map(show) }],
    series: [
      {},
      ...lines.map((line) => ({
        label: line.label,
        stroke: colour(line.colour),
        width: 2,
        points: { show: lines[0]!.values.length < 40, size: 5, fill: colour(line.colour) },
        value: (_plot: uPlot, value: number | null) => (value === null ? "–" : show(value)),
      })),
    ],
  };
}

function inWords(lines: Line[], show: (value: number) => string): string {
  return lines
    .map((line) => {
      const last = line.values.findLast((value) => value !== null);
      return `${line.label}: ${last === null || last === undefined ? "nothing" : show(last)} at last`;
    })
    .join(", ");
}
