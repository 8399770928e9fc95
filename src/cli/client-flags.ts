import { type Client, createClient } from "../client/client.ts";
import { parseTarget, TARGET_FORMS, type Target } from "../client/target.ts";
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
const DEFAULT_SOCKET = "unix:///var/run/device-api/device.sock";

export const TARGET_FLAG: StringFlag = {
  kind: "string",
  default: "",
  help: `the server: ${TARGET_FORMS}`,
  group,
  variable: "NVIDIA_DEVICE_API_TARGET",
  placeholder: "TARGET",
  shownDefault: `the first of $DEVICE_API_UNIX_SOCKET, else ${DEFAULT_SOCKET}`,
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

export type OutputForm = "table" | "json";

export const OUTPUT_FLAG: EnumFlag<OutputForm> = {
  kind: "enum",
  default: "table",
  values: ["table", "json"],
  help: "form of the output",
  group,
  variable: "",
  short: "o",
};

/** The flag or its variable, else the socket that a server with this environment would open, else the usual one. */
export function targetOf(flag: string, env: Environment): Target {
  const socket = env["DEVICE_API_UNIX_SOCKET"]?.split(",")[0]?.trim() ?? "";
  const text = flag !== "" ? flag : socket !== "" ? socket : DEFAULT_SOCKET;
  const target = parseTarget(text);
  if (target === undefined) {
    throw new UsageError(`--target: ${quoted(text)} is not a target; it takes ${TARGET_FORMS}`);
  }
  return target;
}

/** Runs `task` with a connection that is closed afterwards. */
export async function withClient<T>(target: Target, task: (client: Client) => Promise<T>): Promise<T> {
  using client = createClient(target);
  return await task(client);
}
