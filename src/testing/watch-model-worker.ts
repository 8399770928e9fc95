import { generateWatches } from "./generate-watches.ts";
import { Prng } from "./prng.ts";
import { serveShard } from "./shards.ts";
import { printHistory, shrinkItems } from "./shrink.ts";
import { playWatches, simplerWatchCommands } from "./watch-run.ts";

const COMMANDS = 60;

serveShard((seed, _run, count) => {
  const { limits, commands } = generateWatches(new Prng(seed), COMMANDS);
  const broken = playWatches(limits, commands, count);
  if (broken === undefined) return undefined;
  const shortest = shrinkItems(commands, simplerWatchCommands, (other) => playWatches(limits, other) !== undefined);
  return `${playWatches(limits, shortest)}\nwith ${JSON.stringify(limits)} in\n${printHistory(shortest)}`;
});
