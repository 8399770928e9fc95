import { byReading, Gravity } from "../fault.ts";
import { LINKS_MAX, type LinkState } from "./link-memory.ts";
import { type Level, level, type Rule } from "./rule.ts";

/** Links that are down where they were up, and errors that climb. A link that never was up may have no partner. */
export const nvLinkRule: Rule = {
  condition: "NVLinkHealthy",
  calls: /NvLink/,
  good: {
    reason: "LinksUp",
    message: ({ nvLinks }) => `${nvLinks.filter(({ active }) => active).length} NVLinks up`,
  },
  applies: ({ sample, links }) => sample.nvLinks.length > 0 && [...links.values()].some(({ wasUp }) => wasUp),
  levels: ({ sample, links, thresholds }) =>
    sample.nvLinks.flatMap(({ link, active, errors }) => {
      const known = links.get(link);
      if (known === undefined || link >= LINKS_MAX) return [];
      const down = level(`link-down:${link}`, known.wasUp && !active, () => ({
        reason: "NVLinkDown",
        detail: `NVLink ${link} is down and was up`,
        short: `NVLink ${link} down`,
        gravity: Gravity.reset,
        action: "",
        clearings: byReading(`NVLink ${link} up`, thresholds.linkQuietMs),
      }));
      return errors === undefined ? [down] : [down, errorLevel(link, known, thresholds)];
    }),
  edges: () => [],
};

function errorLevel(
  link: number,
  known: LinkState,
  limits: { readonly linkErrorsMax: number; readonly linkErrorWindowMs: number; readonly linkErrorQuietMs: number },
): Level {
  const key = `link-errors:${link}`;
  const { linkErrorsMax, linkErrorWindowMs, linkErrorQuietMs } = limits;
  const errors = known.recent;
  if (errors < linkErrorsMax) return { key, reading: errors < linkErrorsMax / 10 ? "good" : "holding" };
  const rate = `${linkErrorsMax} errors within ${linkErrorWindowMs / 1_000} s`;
  const fault = {
    reason: "NVLinkErrors",
    detail: `NVLink ${link} had ${rate} or more`,
    short: `NVLink ${link} errors`,
    gravity: Gravity.minor,
    action: "",
    clearings: byReading(`less than a tenth of these errors on NVLink ${link}`, linkErrorQuietMs),
  };
  return { key, reading: "bad", fault };
}
