import type { Clock } from "../../base/clock.ts";
import { invalidArgument, StatusError } from "../../base/status-error.ts";
import type { GpuObject, Snapshot } from "../../store/gpu-object.ts";
import type { Store } from "../../store/store.ts";
import type { WatchSink } from "../../store/watch-hub.ts";
import { addedJson, watchEventJson } from "./gpu-json.ts";
import type { ApiRequest, EventStream, StreamEvent } from "./operation.ts";

export interface ServerIdentity {
  readonly node: string;
  readonly version: string;
}

export interface WatchOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly server: ServerIdentity;
}

/** Any number of 64 bits: what this server has not come to yet is another life's, and starts anew. */
export const VERSION_DIGITS_MAX = 20;
const VERSION_FORM = new RegExp(`^\\d{1,${VERSION_DIGITS_MAX}}$`);

/**
 * `opened`, then the present state as ADDED and `synced`, then every change exactly once; a client that comes back with
 * a version that the history still reaches gets what it has missed, without the state. Served like WatchGpus: by cursor
 * from the history, so that a slow client costs one event of memory, and is ended when the history has moved past it.
 */
export async function watchGpus(options: WatchOptions, request: ApiRequest, stream: EventStream): Promise<void> {
  const after = resumeVersion(request);
  if (after === undefined || !(await resume(options, after, request, stream))) {
    await startAnew(options, request, stream);
  }
}

/** A browser that comes back by itself says in the header how far it came, and goes on asking what it first asked. */
function resumeVersion({ parameters }: ApiRequest): bigint | undefined {
  for (const name of ["Last-Event-ID", "from"]) {
    const text = parameters[name] ?? "";
    if (text === "") continue;
    if (!VERSION_FORM.test(text)) throw invalidArgument(name, `${JSON.stringify(text)} is no resource version`);
    return BigInt(text);
  }
  return undefined;
}

/** False where the history does not reach back to the version, or the version is of another life of the server. */
async function resume(
  options: WatchOptions,
  after: bigint,
  request: ApiRequest,
  stream: EventStream,
): Promise<boolean> {
  let opened = false;
  const open = () => {
    if (!opened) stream.send(openedEvent(options, String(after), undefined));
    opened = true;
  };
  try {
    await follow(options.store, after, request, stream, open);
  } catch (error) {
    if (error instanceof StatusError && error.code === "OUT_OF_RANGE") return false;
    throw error;
  }
  open();
  return true;
}

async function startAnew(options: WatchOptions, request: ApiRequest, stream: EventStream): Promise<void> {
  const snapshot = await options.store.read(request, (view) => view.snapshot());
  await sendAll(stream, snapshotEvents(options, snapshot));
  if (!stream.cancelled) await follow(options.store, BigInt(snapshot.version), request, stream, () => {});
}

function* snapshotEvents(options: WatchOptions, { version, objects }: Snapshot): Iterable<StreamEvent> {
  yield openedEvent(options, String(version), objects);
  // Without ids: a client that is cut off within the snapshot has to start anew.
  for (const object of objects) yield { type: "ADDED", data: addedJson(object) };
  yield { type: "synced", id: String(version), data: JSON.stringify({ resourceVersion: String(version) }) };
}

function openedEvent(
  { clock, server }: WatchOptions,
  resourceVersion: string,
  snapshot: readonly GpuObject[] | undefined,
): StreamEvent {
  const time = new Date(clock.wallUs() / 1_000).toISOString();
  const data = { ...server, time, resourceVersion, snapshot: snapshot !== undefined, gpus: snapshot?.length ?? 0 };
  return { type: "opened", ...(snapshot && { id: "" }), data: JSON.stringify(data) };
}

/** Every change after the version. `first` is called before the first of them. */
async function follow(
  store: Store,
  after: bigint,
  request: ApiRequest,
  stream: EventStream,
  first: () => void,
): Promise<void> {
  const sink: WatchSink = {
    send(message) {
      first();
      return stream.send(watchEventJson(message));
    },
    end: (status) => stream.end(status),
  };
  const watcher = await store.watch(request, after, sink);
  stream.onDrain(() => watcher.resume());
  stream.onCancel(() => watcher[Symbol.dispose]());
}

/** Hands over one event after the other as the stream takes them; resolves early where it ends. */
function sendAll(stream: EventStream, events: Iterable<StreamEvent>): Promise<void> {
  return new Promise((resolve, reject) => {
    const iterator = events[Symbol.iterator]();
    const step = () => {
      try {
        for (let next = iterator.next(); !next.done; next = iterator.next()) {
          if (!stream.send(next.value)) return;
        }
        resolve();
      } catch (error) {
        reject(error);
      }
    };
    stream.onDrain(step);
    stream.onCancel(resolve);
    step();
  });
}
