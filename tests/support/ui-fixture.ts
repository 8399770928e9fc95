import { silentLogger } from "../../src/base/log.ts";
import type { ApiOperation, EventStream } from "../../src/service/json-api/operation.ts";
import { SimulatedTime } from "../../src/testing/simulated-time.ts";
import { createPage } from "../../src/transport/page.ts";
import { listenUi, type UiListener } from "../../src/transport/ui-listener.ts";

export const PAGE = "<!doctype html><style>p{}</style><p>page</p><script type=module>1</script>";

/** The listener of the page on a free port, with operations of the test's own and time that stands still. */
export interface UiFixture extends AsyncDisposable {
  readonly listener: UiListener;
  readonly port: number;
  readonly url: string;
  readonly time: SimulatedTime;
  /** Route and status of each request that has ended. */
  readonly requests: readonly string[];
  /** `open` and how they ended, in order. */
  readonly streams: readonly string[];
  readonly rejected: { count: number };
}

export async function startUiFixture(operations: readonly ApiOperation[]): Promise<UiFixture> {
  const time = new SimulatedTime();
  const requests: string[] = [];
  const streams: string[] = [];
  const rejected = { count: 0 };
  const listener = await listenUi({
    address: { host: "127.0.0.1", port: 0, loopback: true },
    page: createPage(PAGE),
    operations,
    clock: time,
    scheduler: time,
    log: silentLogger,
    onRequest: (route, status) => requests.push(`${route} ${status}`),
    onStreamOpen: () => streams.push("open"),
    onStreamEnd: (ending) => streams.push(ending),
    onRejected: () => {
      rejected.count++;
    },
  });
  const url = `http://${listener.address}`;
  return {
    listener,
    port: Number(new URL(url).port),
    url,
    time,
    requests,
    streams,
    rejected,
    async [Symbol.asyncDispose]() {
      const stopped = listener[Symbol.asyncDispose]();
      time.advance(60_000);
      await stopped;
    },
  };
}

const common = { summary: "s", description: "d", schema: "Gpu", errors: [] } as const;

export function jsonOperation(
  path: `/api/v1/${string}`,
  handle: Extract<ApiOperation, { kind: "json" }>["handle"],
  parameters: ApiOperation["parameters"] = [],
): ApiOperation {
  return { ...common, kind: "json", path, id: path, parameters, handle };
}

export function streamOperation(
  path: `/api/v1/${string}`,
  handle: (stream: EventStream) => void | Promise<void>,
): ApiOperation {
  return { ...common, kind: "stream", path, id: path, parameters: [], handle: (_, stream) => handle(stream) };
}
