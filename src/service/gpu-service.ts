import { StatusError } from "../base/status-error.ts";
import {
  GetGpuRequestSchema,
  GpuService,
  ListGpusRequestSchema,
  WatchGpusRequestSchema,
} from "../gen/device/v1alpha1/gpu_pb.ts";
import { emptyListReply } from "../store/gpu-object.ts";
import type { Store } from "../store/store.ts";
import type { Watcher } from "../store/watch-hub.ts";
import { type Call, type Method, type ReplyStream, SMALL_REQUEST_BYTES } from "./call.ts";
import { decodeMessage } from "./decode.ts";
import { checkPresent, checkVersion, isOwnNamespace } from "./validate.ts";

const NAME = GpuService.typeName;

/** GpuService: every reply is bytes that the store has encoded already. */
export function createGpuService(store: Store): readonly Method[] {
  const read = (method: string) =>
    ({ name: `${NAME}/${method}`, access: "read", requestBytesMax: SMALL_REQUEST_BYTES }) as const;
  return [
    { kind: "unary", ...read("GetGpu"), handle: (request, call) => getGpu(store, request, call) },
    { kind: "unary", ...read("ListGpus"), handle: (request, call) => listGpus(store, request, call) },
    { kind: "server-stream", ...read("WatchGpus"), handle: (request, stream) => watchGpus(store, request, stream) },
  ];
}

function getGpu(store: Store, request: Uint8Array, call: Call): Uint8Array | Promise<Uint8Array> {
  const { name, opts } = decodeMessage(GetGpuRequestSchema, request);
  checkPresent(name, "name");
  checkVersion(opts);
  return store.read(call, (view) => {
    const object = isOwnNamespace(opts) ? view.get(name) : undefined;
    if (object === undefined) throw gpuNotFound(name);
    return object.getReply;
  });
}

export function gpuNotFound(name: string): StatusError {
  return new StatusError("NOT_FOUND", `no GPU is named ${JSON.stringify(name)}`);
}

function listGpus(store: Store, request: Uint8Array, call: Call): Uint8Array | Promise<Uint8Array> {
  const { opts } = decodeMessage(ListGpusRequestSchema, request);
  checkVersion(opts);
  return store.read(call, (view) => (isOwnNamespace(opts) ? view.snapshot().reply : emptyListReply(view.version)));
}

function watchGpus(store: Store, request: Uint8Array, stream: ReplyStream): void | Promise<void> {
  const { opts } = decodeMessage(WatchGpusRequestSchema, request);
  const after = checkVersion(opts);
  // Another namespace is empty and stays so: open, silent, and nothing to serve.
  if (!isOwnNamespace(opts)) return;
  const sink = { send: (message: Uint8Array) => stream.send(message), end: (error: StatusError) => stream.end(error) };
  const attach = (watcher: Watcher) => {
    stream.onDrain(() => watcher.resume());
    stream.onCancel(() => watcher[Symbol.dispose]());
  };
  const opened = store.watch(stream, after, sink);
  if (opened instanceof Promise) return opened.then(attach);
  attach(opened);
}
