import { Counter, Registry } from "prom-client";
import { declareGauges, type GaugeOptions } from "./gauges.ts";
import { METRIC_PREFIX } from "./metric-sources.ts";
import { declareProcessMetrics } from "./process-metrics.ts";
import type { Tally } from "./tally.ts";

/**
 * What the library exposes. Nobody but a scrape imports this file: the library takes milliseconds and a megabyte to
 * load, which a start should not wait for.
 */
export function createRegistry(options: GaugeOptions, tallies: readonly Tally[]): Registry {
  const registry = new Registry();
  declareGauges(registry, options);
  declareProcessMetrics(registry);
  for (const tally of tallies) declareTally(registry, tally);
  return registry;
}

function declareTally(registry: Registry, tally: Tally): void {
  const { name, help, labels } = tally.metric;
  new Counter<string>({
    name: METRIC_PREFIX + name,
    help,
    labelNames: [...labels],
    registers: [registry],
    collect() {
      this.reset();
      for (const [values, count] of tally.series()) this.inc(values, count);
    },
  });
}
