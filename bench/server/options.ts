import { parseArgs } from "node:util";
import { SCENARIO_NAMES } from "./scenarios.ts";
import { TRANSPORTS, type Transport } from "./subject.ts";

export interface Options {
  /** Few and short measurements: whether everything works, not how fast it is. */
  readonly quick: boolean;
  readonly format: "text" | "json" | "markdown";
  /** Names of scenarios. */
  readonly scenarios: readonly string[];
  readonly transports: readonly Transport[];
  readonly binary: string;
  /** Another binary of ours in the place of the reference. */
  readonly peer: string | undefined;
  /** Of what is measured most often. */
  readonly repetitions: number | undefined;
}

export const HELP = `usage: just bench [OPTION...]

Measures the compiled binary and the reference server of bench/go side by side: rates, latencies, CPU and memory over
the unix socket and over TCP, the start, and how cost grows. Needs Go and a machine that does nothing else; takes some
20 minutes. docs/design/performance.md says what the figures mean.

  --quick            every scenario once and briefly: shows that all works, not how fast it is
  --scenario NAME    this one alone; repeatable: ${SCENARIO_NAMES.slice(0, 6).join(", ")},
                     ${SCENARIO_NAMES.slice(6).join(", ")}
  --transport NAME   unix or tcp alone
  --repetitions N    how often each is measured; the table has the medians (default 5; of the start 10, of growth 3)
  --binary PATH      our binary (default dist/device-api-server)
  --peer PATH        another binary of ours in the place of the reference: before and after
  --json             all that was measured, as JSON
  --markdown         the tables of docs/design/performance.md
  --help             this text
`;

export class UsageError extends Error {}

/** "help" where that was asked for. Throws UsageError. */
export function parseOptions(args: readonly string[]): Options | "help" {
  const values = parse(args);
  if (values.help === true) return "help";
  if (values.json === true && values.markdown === true) throw new UsageError("--json or --markdown, not both");
  const scenarios = values.scenario ?? SCENARIO_NAMES;
  const unknown = scenarios.find((name) => !SCENARIO_NAMES.includes(name));
  if (unknown !== undefined) {
    throw new UsageError(`unknown scenario ${unknown}; one of ${SCENARIO_NAMES.join(", ")}`);
  }
  const format = values.json === true ? "json" : values.markdown === true ? "markdown" : "text";
  return {
    quick: values.quick === true,
    format,
    scenarios,
    transports: values.transport === undefined ? TRANSPORTS : [parseTransport(values.transport)],
    binary: values.binary ?? "dist/device-api-server",
    peer: values.peer,
    repetitions: values.repetitions === undefined ? undefined : parseCount(values.repetitions),
  };
}

function parse(args: readonly string[]) {
  const flag = { type: "boolean" } as const;
  const text = { type: "string" } as const;
  try {
    return parseArgs({
      args: [...args],
      options: {
        quick: flag,
        json: flag,
        markdown: flag,
        help: flag,
        binary: text,
        peer: text,
        transport: text,
        repetitions: text,
        scenario: { ...text, multiple: true },
      },
    }).values;
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

function parseTransport(text: string): Transport {
  const found = TRANSPORTS.find((transport) => transport === text);
  if (found === undefined) throw new UsageError(`--transport: ${text} is not one of ${TRANSPORTS.join(", ")}`);
  return found;
}

function parseCount(text: string): number {
  if (!/^[1-9]\d{0,2}$/.test(text)) throw new UsageError(`--repetitions: ${text} is not a number from 1 to 999`);
  return Number(text);
}
