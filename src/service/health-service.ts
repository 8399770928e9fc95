import { create, toBinary } from "@bufbuild/protobuf";
import { StatusError } from "../base/status-error.ts";
import {
  HealthCheckRequestSchema,
  HealthCheckResponseSchema,
  HealthCheckResponse_ServingStatus as ServingStatus,
} from "../gen/grpc/health/v1/health_pb.ts";
import { type Method, type ReplyStream, SMALL_REQUEST_BYTES } from "./call.ts";
import { decodeMessage } from "./decode.ts";

export interface HealthService {
  readonly methods: readonly Method[];
  /** Not serving until this says so; watchers are told of each change. */
  setServing(serving: boolean): void;
}

/** Encoded once: every caller gets the same bytes. */
const REPLIES = {
  serving: encode(ServingStatus.SERVING),
  notServing: encode(ServingStatus.NOT_SERVING),
  serviceUnknown: encode(ServingStatus.SERVICE_UNKNOWN),
} as const;

const READ = { access: "read", requestBytesMax: SMALL_REQUEST_BYTES } as const;

/**
 * The standard health protocol for the server as a whole ("") and for each service, which all share one state.
 *
 * `serviceNames` are full names (`package.Service`). A check of another name is NOT_FOUND; a watch of one says
 * SERVICE_UNKNOWN and stays open, as the protocol wants.
 */
export function createHealthService(serviceNames: readonly string[]): HealthService {
  const known = new Set(["", ...serviceNames]);
  const watchers = new Set<HealthWatcher>();
  let current: Uint8Array = REPLIES.notServing;

  const check = (request: Uint8Array): Uint8Array => {
    const { service } = decodeMessage(HealthCheckRequestSchema, request);
    if (!known.has(service)) throw new StatusError("NOT_FOUND", `service: "${service}" is not served here`);
    return current;
  };
  const watch = (request: Uint8Array, stream: ReplyStream): void => {
    const { service } = decodeMessage(HealthCheckRequestSchema, request);
    if (!known.has(service)) {
      stream.send(REPLIES.serviceUnknown);
      return;
    }
    const watcher = createWatcher(stream);
    watchers.add(watcher);
    stream.onCancel(() => watchers.delete(watcher));
    watcher.show(current);
  };

  return {
    methods: [
      { kind: "unary", name: "grpc.health.v1.Health/Check", ...READ, handle: check },
      { kind: "server-stream", name: "grpc.health.v1.Health/Watch", ...READ, handle: watch },
    ],
    setServing(serving) {
      current = serving ? REPLIES.serving : REPLIES.notServing;
      for (const watcher of watchers) watcher.show(current);
    },
  };
}

interface HealthWatcher {
  show(reply: Uint8Array): void;
}

/** Holds the latest state only: a watcher that cannot keep up skips what has passed meanwhile. */
function createWatcher(stream: ReplyStream): HealthWatcher {
  let latest: Uint8Array | undefined;
  let sent: Uint8Array | undefined;
  let isBlocked = false;
  const flush = () => {
    if (isBlocked || latest === undefined || latest === sent) return;
    sent = latest;
    isBlocked = !stream.send(latest);
  };
  stream.onDrain(() => {
    isBlocked = false;
    flush();
  });
  return {
    show(reply) {
      latest = reply;
      flush();
    },
  };
}

function encode(status: ServingStatus): Uint8Array {
  return toBinary(HealthCheckResponseSchema, create(HealthCheckResponseSchema, { status }));
}
