import type { CommandIo } from "../io.ts";

/** Colours by meaning. What it gives is for the screen alone; widths are counted without it. */
export interface Paint {
  bad(text: string): string;
  unknown(text: string): string;
  good(text: string): string;
  /** Headings. */
  strong(text: string): string;
  /** What matters less. */
  faint(text: string): string;
}

const same = (text: string): string => text;
export const PLAIN: Paint = { bad: same, unknown: same, good: same, strong: same, faint: same };

const sgr =
  (code: number) =>
  (text: string): string =>
    `\x1b[${code}m${text}\x1b[0m`;

/** The terminal's own sixteen colours, which are readable on its own background. */
export const COLOURED: Paint = { bad: sgr(31), unknown: sgr(33), good: sgr(32), strong: sgr(1), faint: sgr(2) };

/** Colour on a terminal that knows it, and where NO_COLOR (no-color.org) is not set. */
export function paintFor({ terminal, env }: Pick<CommandIo, "terminal" | "env">): Paint {
  const refused = (env["NO_COLOR"] ?? "") !== "" || env["TERM"] === "dumb";
  return terminal === undefined || refused ? PLAIN : COLOURED;
}

/** The paint of Ready, and of any condition for which True is good. */
export function paintStatus(paint: Paint, status: string): (text: string) => string {
  switch (status) {
    case "True":
      return paint.good;
    case "False":
      return paint.bad;
    default:
      return paint.unknown;
  }
}
