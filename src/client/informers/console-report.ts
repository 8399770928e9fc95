import { isExpired } from "../errors.ts";
import type { CallbackFault } from "./faults.ts";
import type { ReflectorFault } from "./reflector.ts";

/** What happens to faults where nobody asked for them: a line each, for a handler that fails unseen helps nobody. */
export function reportWatchFault({ kind, during, error, retryInMs }: ReflectorFault): void {
  // Part of the protocol, and over with the next list.
  if (isExpired(error)) return;
  const next = retryInMs === undefined ? "for good" : `next try in ${(retryInMs / 1_000).toFixed(1)} s`;
  print(`${during} of ${kind} failed, ${next}: ${error}`);
}

export function reportCallbackFault({ kind, during, key, error }: CallbackFault): void {
  print(`${during} failed for ${kind} ${key}:`, error);
}

function print(line: string, ...more: readonly unknown[]): void {
  // biome-ignore lint/suspicious/noConsole: the one stream that every runtime has; options replace it
  console.error(`device-api-client: ${line}`, ...more);
}
