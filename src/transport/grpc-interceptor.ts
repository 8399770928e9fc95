import * as grpc from "@grpc/grpc-js";
import { Code } from "../base/status-error.ts";
import type { OpenCall } from "./grpc-call.ts";
import { codeName } from "./grpc-status.ts";

type LibraryCall = Parameters<grpc.ServerInterceptor>[1];
type LibraryStatus = Parameters<LibraryCall["sendStatus"]>[0];

export interface CallOpening {
  /** `package.Service/Method`. */
  readonly method: string;
  /** The carrier that addConnection put on the socket. */
  readonly remoteAddress: string | undefined;
  /** How long the caller waits at most; undefined for ever. */
  readonly timeoutMs: number | undefined;
  /** Whether the caller has reset the stream or dropped the connection, though the library has not said so yet. */
  readonly isGone: () => boolean;
  /** Ends the call from here, without any handler. */
  sendStatus(status: { readonly code: number; readonly details: string }): void;
}

/**
 * How far in the past a deadline has to lie at the start of its call to be a wrapped one. The library sets it as "now
 * plus timeout" in the same tick, and no timeout is negative.
 */
const WRAPPED_DEADLINE_MS = 10;

/** A stream loses its session, and so its peer, when it is reset; a living one has the carrier of its connection. */
const PEER_OF_DEAD_STREAM = "unknown";

/**
 * Sees every call of a registered method from its headers to its end, those included that no handler ever gets because
 * the library refuses the request itself.
 *
 * The library keeps the statuses of its own refusals (frames, compression, deadlines) below the interceptors; wrapping
 * sendStatus of the call that it hands us is the one place where all of them pass. docs/design/grpc-transport.md says
 * what depends on that.
 */
export function createCallInterceptor(
  open: (opening: CallOpening) => OpenCall,
  bind: (metadata: grpc.Metadata, call: OpenCall) => void,
): grpc.ServerInterceptor {
  return (descriptor, library) => {
    const { timeoutMs, wrapped } = readTimeout(library.getDeadline());
    const sendStatus = library.sendStatus.bind(library);
    const isGone = () => library.getPeer() === PEER_OF_DEAD_STREAM;
    const call = open({
      method: descriptor.path.slice(1),
      remoteAddress: library.getConnectionInfo().remoteAddress,
      timeoutMs,
      isGone,
      sendStatus: (status) => library.sendStatus({ ...status, metadata: null }),
    });
    library.sendStatus = (status) => {
      if (wrapped && status.code === Code.DEADLINE_EXCEEDED) return;
      const corrected = correct(status);
      // On a reset the runtime reports an ordinary end of the request first, and the library then refuses half of one.
      if (!isGone()) call.statusSent(codeName(corrected.code));
      sendStatus(corrected);
    };
    return new grpc.ServerInterceptingCall(library, {
      start(next) {
        next({
          onReceiveMetadata(metadata, forward) {
            bind(metadata, call);
            forward(metadata);
          },
          onCancel: () => call.close(),
        });
      },
    });
  };
}

/**
 * The library cuts a timeout to 32 bits of milliseconds (24.8 days); one whose cut is negative would end its call at
 * once. Such a caller is willing to wait for weeks: no deadline is the answer nearest to what it asked for.
 */
function readTimeout(deadline: grpc.Deadline): { timeoutMs: number | undefined; wrapped: boolean } {
  if (deadline === Number.POSITIVE_INFINITY) return { timeoutMs: undefined, wrapped: false };
  // Date.now() and not our clock: the library has just added the timeout to it.
  const timeoutMs = Number(deadline) - Date.now();
  if (timeoutMs < -WRAPPED_DEADLINE_MS) return { timeoutMs: undefined, wrapped: true };
  return { timeoutMs: Math.max(0, timeoutMs), wrapped: false };
}

/** The library answers a malformed timeout with INTERNAL; it is the caller's mistake. */
function correct(status: LibraryStatus): LibraryStatus {
  if (status.code !== Code.INTERNAL || !status.details?.startsWith("Invalid grpc-timeout")) return status;
  return { ...status, code: Code.INVALID_ARGUMENT, details: "malformed grpc-timeout" };
}
