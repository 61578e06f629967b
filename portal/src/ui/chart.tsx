// A chart over time by uPlot, in the theme's colours.

import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { useEffect, useRef } from "preact/hooks";
import { compact } from "../format";
import { t } from "../i18n";
import { isDark } from "../theme";

const hour = (seconds: number): string => {
  const at = new Date(seconds * 1000);
  return `${String(at.getHours()).padStart(2, "0")}:${String(at.getMinutes()).padStart(2, "0")}`;
};

export interface Line {
  label: string;
  colour: "--accent" | "--bad" | "--ok" | "--warn" | "--muted";
  values: (number | null)[];
  format?: (value: number) => string;
  scale?: string;
  dots?: boolean; // where neighbours are missing a line shows nothing
}

export function Chart({ times, lines, label }: { times: number[]; lines: Line[]; label: string }) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>();
  const shape = lines.map((line) => line.label).join("|");

  useEffect(() => {
    const style = getComputedStyle(place.current!);
    // A colour of the theme as the canvas wants it: light-dark() is resolved by the browser alone.
    const probe = document.createElement("i");
    place.current!.append(probe);
    const colour = (name: string): string => {
      probe.style.color = `var(${name})`;
      return getComputedStyle(probe).color;
    };
    const axis = { stroke: colour("--muted"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false }, font: `12px ${style.fontFamily}` };
    const made = new uPlot({
      width: place.current!.clientWidth,
      height: 200,
      cursor: { y: false },
      legend: { live: true },
      scales: { y: { range: (_u, _min, max) => [0, Math.max(max * 1.1, 1)] } },
      axes: [{ ...axis, values: (_u: uPlot, ticks: number[]) => ticks.map(hour) }, { ...axis, size: 52, values: (_u: uPlot, ticks: number[]) => ticks.map(compact) }],
      series: [{ label: t("time"), value: (_u: uPlot, v: number | null) => (v === null ? "–" : hour(v)) }, ...lines.map((line) => ({
        label: line.label, stroke: colour(line.colour), width: 1.5, points: line.dots ? { show: true, size: 4 } : { show: false },
        value: (_u: uPlot, v: number | null) => (v === null ? "–" : (line.format ?? compact)(v)),
        ...(line.colour === "--accent" ? { fill: colour("--accent-soft") } : {}),
      }))],
    }, [times, ...lines.map((line) => line.values)], place.current!);
    probe.remove();
    plot.current = made;
    const watch = new ResizeObserver(() => made.setSize({ width: place.current!.clientWidth, height: 200 }));
    watch.observe(place.current!);
    return () => {
      watch.disconnect();
      made.destroy();
    };
  }, [isDark.value, shape]);

  useEffect(() => {
    plot.current?.setData([times, ...lines.map((line) => line.values)]);
  }, [times]);

  return <div class="chart" ref={place} role="img" aria-label={label} />;
}
