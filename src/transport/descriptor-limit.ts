import { readFileSync } from "node:fs";
import { HTTP_CONNECTIONS_MAX } from "./http-listener.ts";
import { ListenError } from "./listen-error.ts";
import { UI_CONNECTIONS_MAX } from "./ui-listener.ts";

/**
 * What is not for gRPC connections: two HTTP ports, the page, and 64 for everything else (the runtime has about 16 open
 * at the start; listeners, the log, the shim, a pipe to a child, files read for a moment).
 */
export const DESCRIPTORS_RESERVED = 2 * HTTP_CONNECTIONS_MAX + UI_CONNECTIONS_MAX + 64;

/** Fewer connections than this are no service: a few providers, a few consumers, one operator. */
const CONNECTIONS_LEAST = 16;

/**
 * How many connections there may be under this limit of descriptors. At the limit itself the runtime's listener spins
 * and says nothing, so it must not be reached. Throws ListenError where the limit leaves no room.
 */
export function capConnections(wanted: number, descriptors: number): number {
  const room = descriptors - DESCRIPTORS_RESERVED;
  if (room >= CONNECTIONS_LEAST) return Math.min(wanted, room);
  const least = DESCRIPTORS_RESERVED + CONNECTIONS_LEAST;
  throw new ListenError(
    `this process may open ${descriptors} files, and needs ${least}: raise the limit (ulimit -n, LimitNOFILE)`,
  );
}

/** The soft RLIMIT_NOFILE of this process. */
export function readDescriptorLimit(): number {
  return parseDescriptorLimit(readFileSync("/proc/self/limits", "utf8"));
}

/** From the text of /proc/self/limits. Throws ListenError where it has no such line. */
export function parseDescriptorLimit(limits: string): number {
  const soft = /^Max open files +(\d+|unlimited) /m.exec(limits)?.[1];
  if (soft === undefined) throw new ListenError("/proc/self/limits has no line for open files: is /proc mounted?");
  return soft === "unlimited" ? Number.POSITIVE_INFINITY : Number(soft);
}
