import { printable } from "../base/log-text.ts";
import { ApiError } from "../client/errors.ts";
import type { Target } from "../client/target.ts";
import { UsageError } from "../server/flags-kinds.ts";
import { ListenError } from "../transport/listen-error.ts";
import { EXIT_FAILURE, EXIT_UNREACHABLE, EXIT_USAGE } from "./io.ts";

/** A command could not do its work: one line for the person, and the exit status. */
export class CommandError extends Error {
  override readonly name = "CommandError";
  readonly status: number;

  constructor(message: string, status: number) {
    super(message);
    this.status = status;
  }
}

/** What a failed call means to somebody at a terminal, and what to try. */
export function explainRpcError(error: unknown, target: Target): unknown {
  if (!(error instanceof ApiError)) return error;
  const { code, details: message } = error;
  switch (code) {
    case "UNAVAILABLE":
      return new CommandError(`cannot reach the server at ${target.shown}: ${advise(message)}`, EXIT_UNREACHABLE);
    case "DEADLINE_EXCEEDED":
      return new CommandError(`no answer from ${target.shown} in time: try a longer --timeout`, EXIT_UNREACHABLE);
    case "INVALID_ARGUMENT":
      return new CommandError(message, EXIT_USAGE);
    case "OUT_OF_RANGE":
      return new CommandError(adviseExpired(message), EXIT_FAILURE);
    case "NOT_FOUND":
      return new CommandError(`${code}: ${message}. ${adviseMissing(message)}`, EXIT_FAILURE);
    case "UNIMPLEMENTED":
      return new CommandError(`${code}: ${message}. ${NOT_THERE}`, EXIT_FAILURE);
    default:
      return new CommandError(`${code}: ${message}`, EXIT_FAILURE);
  }
}

const ADVICE: readonly (readonly [string, string])[] = [
  ["ENOENT", "there is no such socket. Is the server running? --target or NVIDIA_DEVICE_API_TARGET names another one"],
  ["ECONNREFUSED", "nobody listens there. Is the server running? --target names another place"],
  ["EACCES", "this user may not open the socket. Run as root, or as a member of the socket's group"],
  ["ENOTFOUND", "there is no host of that name"],
  ["EAGAIN", "the server has too many connections waiting. Try again"],
  ["connect EINVAL", "the path is too long for a socket: the kernel takes 107 bytes"],
  ["Name resolution failed", "there is no host of that name"],
  ["Connection dropped", "the connection was lost: the server has ended, or hangs. Is it running? Its log tells why"],
  ["Protocol error", "what listens there does not speak gRPC. Is it the port of the page, of health or of metrics?"],
];

const NOT_THERE = "Is the server older than this program? Its log and its metrics tell its version";

function adviseMissing(message: string): string {
  const command = message.startsWith("there is no provider") ? "provider list" : "get";
  return `"device-api-server ${command}" shows those that there are`;
}

const EXPIRED = /^resource version (\d+) has expired: the history holds .* up to (\d+); list again$/;

/** To the wire contract a version that is not there yet has expired, too: it is of another life of the server. */
function adviseExpired(message: string): string {
  const [, version = "", last = ""] = EXPIRED.exec(message) ?? [];
  const problem =
    version !== "" && BigInt(version) > BigInt(last)
      ? `the server has not come to version ${version}: its last one is ${last}. Is it another server's?`
      : message.replace(/; list again$/, ".");
  return `${problem} List again, or watch without --from`;
}

function advise(message: string): string {
  return ADVICE.find(([code]) => message.includes(code))?.[1] ?? message;
}

/** The line and the exit status for whatever a command threw. */
export function describeFailure(error: unknown): { readonly line: string; readonly status: number } {
  const line = printable(error instanceof Error ? error.message : String(error));
  if (error instanceof CommandError) return { line, status: error.status };
  const usage = error instanceof UsageError || error instanceof ListenError;
  return { line, status: usage ? EXIT_USAGE : EXIT_FAILURE };
}
