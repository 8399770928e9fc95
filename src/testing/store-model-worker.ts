import { simplerCommands } from "./commands.ts";
import { type Flavour, generateHistory } from "./generate.ts";
import { playHistory } from "./play-history.ts";
import { Prng } from "./prng.ts";
import { serveShard } from "./shards.ts";
import { printHistory, shrinkItems } from "./shrink.ts";

const COMMANDS = 50;

serveShard((seed, run, count) => {
  const history = generateHistory(new Prng(seed), flavourOf(run), COMMANDS);
  const difference = playHistory(history, count);
  if (difference === undefined) return undefined;
  const shortest = shrinkItems(history, simplerCommands, (shorter) => playHistory(shorter) !== undefined);
  return `${playHistory(shortest)}\nin\n${printHistory(shortest)}`;
});

/** Large ones are slow, and a few of them reach every limit. */
function flavourOf(run: number): Flavour {
  if (run % 10_000 === 1) return "crowded";
  if (run % 2_500 === 2) return "heavy";
  if (run % 2_500 === 3) return "many providers";
  return run % 100 === 4 ? "wide" : "usual";
}
