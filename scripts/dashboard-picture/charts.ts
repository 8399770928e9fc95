import type { Panel } from "../dashboard/panel.ts";
import { colorOf, escaped, legendOf, numberText, type Series } from "./series.ts";

/** Of one of the 24 columns, and of one of a panel's rows. */
const COLUMN_PX = 63;
const ROW_PX = 32;
/** What a panel has beside the drawing: its title, and the legend of a chart. */
const TITLE_PX = 40;
const LEGEND_PX = 34;
/** In the drawing: for the numbers at the axis, the names of a timeline's rows, and the times below. */
const NUMBERS_PX = 56;
const NAMES_PX = 150;
const TIMES_PX = 16;
const MARGIN_PX = 8;

interface Frame {
  readonly left: number;
  readonly width: number;
  readonly height: number;
  readonly fromSeconds: number;
  readonly toSeconds: number;
}

function frameOf(panel: Panel, series: readonly Series[], left: number, besidePx: number): Frame {
  const times = series.flatMap(({ points }) => points.map(([seconds]) => seconds));
  const width = panel.width * COLUMN_PX - 20;
  const height = (panel.height ?? 8) * ROW_PX - besidePx;
  return { left, width, height, fromSeconds: Math.min(...times), toSeconds: Math.max(...times) };
}

const xOf = ({ left, width, fromSeconds, toSeconds }: Frame, seconds: number): number =>
  left + ((seconds - fromSeconds) / Math.max(1, toSeconds - fromSeconds)) * (width - left - MARGIN_PX);

const clockOf = (seconds: number): string => new Date(seconds * 1_000).toISOString().slice(11, 19);

const textAt = (x: number, y: number, text: string, style: string): string =>
  `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${style}>${escaped(text)}</text>`;

/** Curves over a common axis, or one on top of the other. */
export function chart(panel: Panel, all: readonly Series[]): string {
  const series = panel.stacked ? stacked(all) : all;
  const frame = frameOf(panel, series, NUMBERS_PX, TITLE_PX + LEGEND_PX);
  const values = series.flatMap(({ points }) => points.map(([, value]) => value));
  const low = Math.min(0, ...values);
  const top = Math.max(...values);
  const high = top > low ? top * 1.05 : low + 1;
  const y = (value: number): number =>
    MARGIN_PX + (1 - (value - low) / (high - low)) * (frame.height - TIMES_PX - 2 * MARGIN_PX);
  const across = (value: number, color: string): string => {
    const at = y(value).toFixed(1);
    return `<line x1="${frame.left}" x2="${frame.width - MARGIN_PX}" y1="${at}" y2="${at}" stroke="${color}"/>`;
  };
  const lines = [low, (low + high) / 2, high].map((value) => {
    const label = textAt(frame.left - 5, y(value) + 3, numberText(value, panel.unit), 'text-anchor="end"');
    return across(value, "#2c2f36") + label;
  });
  const limits = (panel.steps ?? []).filter(([from]) => from <= high);
  const curves = series.map(({ points }, index) => {
    const path = points.map(([seconds, value]) => `${xOf(frame, seconds).toFixed(1)},${y(value).toFixed(1)}`);
    return `<polyline fill="none" stroke-width="1.5" stroke="${colorOf(index)}" points="${path.join(" ")}"/>`;
  });
  return svg(frame, [...lines, ...limits.map(([from, color]) => across(from, colorOf(color))), ...curves]);
}

function stacked(series: readonly Series[]): readonly Series[] {
  const below = new Map<number, number>();
  return series.map((each) => {
    const points = each.points.map(([seconds, value]) => {
      const sum = (below.get(seconds) ?? 0) + value;
      below.set(seconds, sum);
      return [seconds, sum] as const;
    });
    return { ...each, points };
  });
}

/** A bar for each series, coloured by the word that its value stands for. */
export function timeline(panel: Panel, series: readonly Series[]): string {
  const frame = frameOf(panel, series, NAMES_PX, TITLE_PX);
  const rowPx = (frame.height - TIMES_PX) / series.length;
  const rows = series.map((each, index) => {
    const top = index * rowPx;
    const middle = top + rowPx / 2 + 3;
    const bars = spansOf(each).map(({ from, to, value }) => {
      const [word = "", color = "text"] = panel.words?.[value] ?? [];
      const x = xOf(frame, from);
      const width = Math.max(1, xOf(frame, to) - x);
      const bar = `<rect x="${x}" y="${top + 1}" width="${width}" height="${rowPx - 2}" fill="${colorOf(color)}"/>`;
      return bar + (width > 60 ? textAt(x + 4, middle, word, 'style="fill: #111"') : "");
    });
    return bars.join("") + textAt(NAMES_PX - 5, middle, legendOf(each), 'text-anchor="end"');
  });
  return svg(frame, rows);
}

interface Span {
  readonly from: number;
  readonly to: number;
  readonly value: number;
}

/** Times in which the value stays the same. */
function spansOf({ points }: Series): readonly Span[] {
  const changes = points.filter(([, value], index) => index === 0 || points[index - 1]?.[1] !== value);
  const end = points.at(-1)?.[0] ?? 0;
  return changes.map(([from, value], index) => ({ from, to: changes[index + 1]?.[0] ?? end, value }));
}

function svg(frame: Frame, parts: readonly string[]): string {
  const { fromSeconds, toSeconds, width, height } = frame;
  const times = ["start", "middle", "end"].map((anchor, index) => {
    const seconds = fromSeconds + ((toSeconds - fromSeconds) * index) / 2;
    return textAt(xOf(frame, seconds), height - 4, clockOf(seconds), `text-anchor="${anchor}"`);
  });
  return `<svg viewBox="0 0 ${width} ${height}">${parts.join("")}${times.join("")}</svg>`;
}
