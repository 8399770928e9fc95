import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { Socket } from "node:net";
import { eventually } from "../../tests/support/eventually.ts";
import { closedRaw, openRaw, requestText } from "../../tests/support/raw-http.ts";
import { startUiFixture, streamOperation, type UiFixture } from "../../tests/support/ui-fixture.ts";
import { StatusError } from "../base/status-error.ts";
import type { EventStream } from "../service/json-api/operation.ts";
import { HEARTBEAT_MS, LAST_EVENT_MS } from "./http-event-stream.ts";
import { UI_CONNECTION_LIFE_MS, UI_STREAMS_MAX } from "./ui-listener.ts";

let handle: (stream: EventStream) => void | Promise<void>;
let streams: EventStream[];
let ui: UiFixture;

beforeEach(async () => {
  streams = [];
  handle = (stream) => {
    streams.push(stream);
    stream.send({ type: "first", id: "1", data: "{}" });
  };
  ui = await startUiFixture([streamOperation("/api/v1/watch", (stream) => handle(stream))]);
});

afterEach(async () => {
  await ui[Symbol.asyncDispose]();
});

class Reader {
  text = "";
  readonly closed: Promise<void>;

  constructor(readonly socket: Socket) {
    socket.setEncoding("utf8");
    socket.on("data", (piece) => {
      this.text += piece;
    });
    this.closed = closedRaw(socket);
  }

  until(text: string): Promise<void> {
    return eventually(() => this.text.includes(text), `${JSON.stringify(text)} in ${JSON.stringify(this.text)}`);
  }
}

async function follow(): Promise<Reader> {
  const socket = await openRaw(ui.port);
  socket.write(requestText("/api/v1/watch", { host: "localhost" }));
  return new Reader(socket);
}

/** Opens a stream, and sends until the client's side takes no more. */
async function blocked(): Promise<{ readonly socket: Socket; readonly stream: EventStream }> {
  const socket = await openRaw(ui.port);
  socket.pause();
  socket.write(requestText("/api/v1/watch", { host: "localhost" }));
  await eventually(() => streams.length === 1, "the stream");
  const [stream] = streams;
  if (stream === undefined) return expect.unreachable();
  let taken = 0;
  const fill = () => {
    while (stream.send({ type: "fill", data: `"${"x".repeat(10_000)}"` })) taken++;
    taken++;
  };
  stream.onDrain(fill);
  fill();
  // What the kernel still takes comes back as drains; when there are none for a while, it is full.
  for (let quiet = 0, before = 0; quiet < 4; quiet = taken === before ? quiet + 1 : 0) {
    before = taken;
    await Bun.sleep(50);
  }
  stream.onDrain(() => {});
  return { socket, stream };
}

describe("a stream", () => {
  test("begins with the head, what a browser is to wait before it comes back, and its first event", async () => {
    const reader = await follow();
    await reader.until("data: {}\n\n");
    expect(reader.text).toContain("content-type: text/event-stream\r\n");
    expect(reader.text).toContain("cache-control: no-store\r\n");
    expect(reader.text).toMatch(/retry: 2000\n\n[\s\S]*id: 1\nevent: first\ndata: \{\}\n\n/);
    expect(ui.streams).toEqual(["open"]);
  });

  test("outlives the time that a connection has for a request, with a comment at each heartbeat", async () => {
    const reader = await follow();
    await reader.until("data: {}");
    for (let beat = 0; beat < 3; beat++) {
      ui.time.advance(HEARTBEAT_MS);
      await eventually(() => reader.text.split(":\n\n").length === beat + 2, "a heartbeat");
    }
    expect(3 * HEARTBEAT_MS).toBeGreaterThan(UI_CONNECTION_LIFE_MS);
    streams[0]?.send({ type: "later", data: "{}" });
    await reader.until("event: later");
  });

  test("tells its handler when the client leaves, and counts it", async () => {
    const reader = await follow();
    await reader.until("data: {}");
    reader.socket.destroy();
    await eventually(() => streams[0]?.cancelled === true, "the end");
    expect(streams[0]?.send({ type: "late", data: "{}" })).toBe(false);
    expect(ui.streams).toEqual(["open", "client"]);
    await eventually(() => ui.requests.includes("/api/v1/watch 200"), "the count");
    expect(ui.time.pending).toBe(0);
  });

  test("that its handler ends says why, and leaves the last id where it was", async () => {
    const reader = await follow();
    await reader.until("data: {}");
    streams[0]?.end(new StatusError("UNAVAILABLE", "no more"));
    streams[0]?.end(new StatusError("INTERNAL", "twice"));
    await reader.closed;
    expect(reader.text).toContain('event: ended\ndata: {"code":"UNAVAILABLE","message":"no more"}\n\n');
    expect(reader.text).not.toContain("id: \n");
    expect(reader.text).not.toContain("twice");
    expect(ui.streams).toEqual(["open", "server"]);
  });

  test("that was overtaken takes the last id back, so that the client starts anew", async () => {
    const reader = await follow();
    await reader.until("data: {}");
    streams[0]?.end(new StatusError("OUT_OF_RANGE", "expired"));
    await reader.closed;
    expect(reader.text).toContain('id: \nevent: ended\ndata: {"code":"OUT_OF_RANGE"');
    expect(ui.streams).toEqual(["open", "expired"]);
  });

  test("that fails before its first event is answered like any request", async () => {
    handle = () => Promise.reject(new StatusError("DEADLINE_EXCEEDED", "too late"));
    const found = await fetch(`${ui.url}/api/v1/watch`);
    expect([found.status, await found.json()]).toEqual([504, { code: "DEADLINE_EXCEEDED", message: "too late" }]);
    expect(ui.streams).toEqual([]);
  });

  test("that fails after it says no more than that", async () => {
    handle = async (stream) => {
      stream.send({ type: "first", data: "{}" });
      throw new Error("secret");
    };
    const text = await (await fetch(`${ui.url}/api/v1/watch`)).text();
    expect(text).toContain('data: {"code":"INTERNAL","message":"internal error"}');
  });
});

describe("a client that takes nothing", () => {
  test("is ended after two heartbeats, and closed by force if it does not even take that", async () => {
    const { socket } = await blocked();
    ui.time.advance(2 * HEARTBEAT_MS - 1);
    expect(ui.streams).toEqual(["open"]);
    ui.time.advance(1);
    expect(ui.streams).toEqual(["open", "stalled"]);
    ui.time.advance(LAST_EVENT_MS);
    await eventually(() => ui.time.pending === 0, "the end of the connection");
    await closedRaw(socket);
  });

  test("finds the reason at the end of what it takes at last", async () => {
    const { socket } = await blocked();
    ui.time.advance(2 * HEARTBEAT_MS);
    const reader = new Reader(socket);
    await reader.closed;
    expect(reader.text).toContain(
      'event: ended\ndata: {"code":"RESOURCE_EXHAUSTED","message":"nothing was taken for 15 s',
    );
  });

  test("and then takes all again is let go on", async () => {
    const { socket, stream } = await blocked();
    ui.time.advance(HEARTBEAT_MS);
    let drained = false;
    stream.onDrain(() => {
      drained = true;
    });
    const reader = new Reader(socket);
    await eventually(() => drained, "the drain");
    ui.time.advance(3 * HEARTBEAT_MS);
    expect(stream.send({ type: "later", data: "{}" })).toBe(true);
    await reader.until("event: later");
    expect(ui.streams).toEqual(["open"]);
  });
});

test("streams beyond the limit are refused by name, and requests are still answered", async () => {
  const readers = await Promise.all(Array.from({ length: UI_STREAMS_MAX }, follow));
  await Promise.all(readers.map((reader) => reader.until("data: {}")));
  const refused = await fetch(`${ui.url}/api/v1/watch`);
  expect([refused.status, await refused.json()]).toEqual([
    503,
    { code: "RESOURCE_EXHAUSTED", message: `${UI_STREAMS_MAX} pages are open already; close one of them` },
  ]);
  expect((await fetch(ui.url)).status).toBe(200);
  readers[0]?.socket.destroy();
  await eventually(() => ui.streams.includes("client"), "the end of one");
  await (await follow()).until("data: {}");
});

test("HEAD takes no stream", async () => {
  const found = await fetch(`${ui.url}/api/v1/watch`, { method: "HEAD" });
  expect([found.status, found.headers.get("content-type")]).toEqual([200, "text/event-stream"]);
  expect(streams).toEqual([]);
});

test("at the end each stream is told, and a client that takes nothing keeps nobody waiting", async () => {
  const { socket } = await blocked();
  const reader = await follow();
  await reader.until("data: {}");
  const stopped = ui.listener[Symbol.asyncDispose]();
  await reader.closed;
  expect(reader.text).toContain('{"code":"UNAVAILABLE","message":"the server is shutting down"}');
  ui.time.advance(1_000);
  await stopped;
  await closedRaw(socket);
  expect(ui.streams).toEqual(["open", "open", "server", "server"]);
  await expect(fetch(ui.url)).rejects.toThrow();
});
