import { ApiError } from "./errors.ts";
import type { Environment } from "./system.ts";

/** Where the server is: what grpc-js dials, and how people write it. */
export interface Target {
  readonly address: string;
  readonly shown: string;
}

export const TARGET_FORMS = "unix:///path, unix:path, /path, host:port or dns:///host:port";
export const TARGET_VARIABLE = "NVIDIA_DEVICE_API_TARGET";
export const DEFAULT_TARGET = "unix:///var/run/device-api/device.sock";

const HOST_PORT = /^(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9](?:[-.A-Za-z0-9]*[A-Za-z0-9])?):\d{1,5}$/;

/** Undefined where the text has none of the forms. */
export function parseTarget(text: string): Target | undefined {
  if (text.includes("\0")) return undefined;
  if (text.startsWith("/")) return unixTarget(text);
  if (text.startsWith("unix://")) {
    const path = text.slice("unix://".length);
    return path.startsWith("/") ? unixTarget(path) : undefined;
  }
  if (text.startsWith("unix:")) {
    const path = text.slice("unix:".length);
    return path === "" ? undefined : unixTarget(path);
  }
  const name = text.startsWith("dns:///") ? text.slice("dns:///".length) : text;
  if (!HOST_PORT.test(name) || Number(name.slice(name.lastIndexOf(":") + 1)) > 65_535) return undefined;
  return { address: `dns:${name}`, shown: name };
}

/** What was given, else NVIDIA_DEVICE_API_TARGET, else the default socket. Throws ApiError, INVALID_ARGUMENT. */
export function resolveTarget(given: string | Target | undefined, env: Environment): Target {
  const variable = env[TARGET_VARIABLE] ?? "";
  const text = given === undefined ? variable || DEFAULT_TARGET : given;
  const target = typeof text === "string" ? parseTarget(text) : isTarget(text) ? text : undefined;
  if (target !== undefined) return target;
  const where = given === undefined ? TARGET_VARIABLE : "target";
  throw new ApiError("INVALID_ARGUMENT", `${where}: ${JSON.stringify(text)} is not a target; it takes ${TARGET_FORMS}`);
}

function isTarget(given: Target): boolean {
  const { address, shown }: Partial<Target> = Object(given);
  return typeof address === "string" && typeof shown === "string";
}

function unixTarget(text: string): Target {
  // Two slashes at the start would read as the beginning of a host.
  const path = text.replace(/^\/+/, "/");
  return { address: `unix:${path}`, shown: path.startsWith("/") ? `unix://${path}` : `unix:${path}` };
}
