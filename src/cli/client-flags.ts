import type { Keepalive } from "../client/connection/channel.ts";
import type { Connection } from "../client/connection/connection.ts";
import { DEFAULT_TARGET, parseTarget, TARGET_FORMS, TARGET_VARIABLE, type Target } from "../client/target.ts";
import {
  type BoolFlag,
  type DurationFlag,
  type EnumFlag,
  quoted,
  type StringFlag,
  UsageError,
} from "../server/flags-kinds.ts";
import type { Environment } from "../server/flags-parse.ts";

const group = "Flags";

export const TARGET_FLAG: StringFlag = {
  kind: "string",
  default: "",
  form: TARGET_FORMS,
  help: `the server: ${TARGET_FORMS}`,
  group,
  variable: TARGET_VARIABLE,
  placeholder: "TARGET",
  shownDefault: `the first of $DEVICE_API_UNIX_SOCKET, else ${DEFAULT_TARGET}`,
};

export const HELP_FLAG: BoolFlag = {
  kind: "bool",
  default: false,
  help: "show this help",
  group,
  variable: "",
  short: "h",
};

export const timeoutFlag = (seconds: number): DurationFlag => ({
  kind: "duration",
  default: seconds * 1_000,
  min: 1,
  max: 3_600_000,
  help: "how long to wait for the answer",
  group,
  variable: "",
});

export const REASON_FLAG: StringFlag = {
  kind: "string",
  default: "",
  help: "why, for the server's log and for whoever looks later",
  group,
  variable: "",
  placeholder: "TEXT",
};

const outputFlag = <V extends string>(values: readonly V[], usual: V): EnumFlag<V> => ({
  kind: "enum",
  default: usual,
  values,
  help: "form of the output",
  group,
  variable: "",
  short: "o",
});

/** "name": names alone, a line each. */
export const GPU_OUTPUT_FLAG = outputFlag(["table", "wide", "json", "yaml", "name"], "table");
export type GpuOutputForm = (typeof GPU_OUTPUT_FLAG)["default"];
export const OUTPUT_FLAG = outputFlag(["table", "json", "yaml"], "table");
export const TEXT_OUTPUT_FLAG = outputFlag(["text", "json", "yaml"], "text");

/** The flag or its variable, else the socket that a server with this environment would open, else the usual one. */
export function targetOf(flag: string, env: Environment): Target {
  const socket = env["DEVICE_API_UNIX_SOCKET"]?.split(",")[0]?.trim() ?? "";
  const text = flag !== "" ? flag : socket !== "" ? socket : DEFAULT_TARGET;
  const target = parseTarget(text);
  if (target === undefined) {
    throw new UsageError(`--target: ${quoted(text)} is not a target; it takes ${TARGET_FORMS}`);
  }
  return target;
}

/**
 * Much less than the SDK's: what is shown until a server that hangs is noticed looks like the present. Whoever looks at
 * a screen bears 20 s of that, and this server has no objection to a PING every 10 s.
 */
const KEEPALIVE: Keepalive = { timeMs: 10_000, timeoutMs: 10_000 };

/**
 * Whoever sits at a terminal is told at once, and tries again. The client's library is loaded here and not before: a
 * server that serves needs none of it.
 */
export async function dial(target: Target): Promise<Connection> {
  const { connect } = await import("../client/connection/connect.ts");
  return connect({ target, retry: { maxAttempts: 1 }, keepalive: KEEPALIVE });
}

/** Runs `task` with a connection that is closed afterwards. */
export async function withClient<T>(target: Target, task: (client: Connection) => Promise<T>): Promise<T> {
  await using client = await dial(target);
  return await task(client);
}
