import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { connect, type Socket } from "node:net";
import { silentLogger } from "../base/log.ts";
import { SimulatedTime } from "../testing/simulated-time.ts";
import {
  createHttpEndpoints,
  type HealthReport,
  type HttpEndpoints,
  type HttpEndpointsOptions,
} from "./http-endpoints.ts";
import { HTTP_CONNECTION_LIFE_MS, HTTP_CONNECTIONS_MAX } from "./http-listener.ts";
import { ListenError } from "./listen-error.ts";

const GOOD: HealthReport = { ok: true, checks: [{ name: "lifecycle", ok: true, reason: "serving" }] };
const BAD: HealthReport = { ok: false, checks: [{ name: "lifecycle", ok: false, reason: "draining: SIGTERM" }] };

let ready = GOOD;
let time = new SimulatedTime();
let metricsText: () => Promise<string>;
let endpoints: HttpEndpoints;

const options = (): HttpEndpointsOptions => ({
  host: "",
  healthPort: 0,
  metricsPort: 0,
  livez: () => GOOD,
  readyz: () => ready,
  metrics: { contentType: "text/plain; version=0.0.4", text: () => metricsText() },
  log: silentLogger,
  scheduler: time,
});

beforeEach(async () => {
  ready = GOOD;
  time = new SimulatedTime();
  metricsText = async () => "metric 1\n";
  endpoints = await createHttpEndpoints(options());
});

afterEach(async () => {
  await endpoints[Symbol.asyncDispose]();
});

const health = (path: string, init?: RequestInit) => fetch(`http://127.0.0.1:${endpoints.healthPort}${path}`, init);
const metrics = (init?: RequestInit) => fetch(`http://127.0.0.1:${endpoints.metricsPort}/metrics`, init);

describe("the health port", () => {
  test.each(["/healthz", "/livez", "/readyz", "/readyz?other"])("answers %s with ok", async (path) => {
    const response = await health(path);
    expect([response.status, await response.text()]).toEqual([200, "ok\n"]);
  });

  test("answers 503 and the reason while the server is not ready, and stays live", async () => {
    ready = BAD;
    const response = await health("/readyz");
    expect([response.status, await response.text()]).toEqual([503, "draining: SIGTERM\n"]);
    expect((await health("/livez")).status).toBe(200);
  });

  test("gives every check as JSON where asked with ?verbose", async () => {
    ready = BAD;
    const response = await health("/readyz?verbose");
    expect([response.status, response.headers.get("content-type")]).toEqual([503, "application/json"]);
    expect(await response.json()).toEqual(BAD);
  });

  test("answers HEAD without a body", async () => {
    const response = await health("/livez", { method: "HEAD" });
    expect([response.status, await response.text()]).toEqual([200, ""]);
  });

  test.each(["POST", "PUT", "DELETE", "OPTIONS"])("answers %s with 405 and what is allowed", async (method) => {
    const response = await health("/livez", { method });
    expect([response.status, response.headers.get("allow")]).toEqual([405, "GET, HEAD"]);
  });

  test.each(["/", "/metrics", "/livez/", "/__proto__", "/toString"])("answers %s with 404", async (path) => {
    expect((await health(path)).status).toBe(404);
  });

  test("listens on IPv6 as well", async () => {
    const response = await fetch(`http://[::1]:${endpoints.healthPort}/livez`);
    expect(response.status).toBe(200);
  });
});

describe("the metrics port", () => {
  test("answers with the text and its content type, on a connection that then closes", async () => {
    const response = await metrics();
    expect(await response.text()).toBe("metric 1\n");
    expect(response.headers.get("content-type")).toBe("text/plain; version=0.0.4");
    expect(response.headers.get("connection")).toBe("close");
  });

  test("answers 500 where a metric cannot be read, and goes on", async () => {
    metricsText = () => Promise.reject(new Error("secret"));
    const response = await metrics();
    expect([response.status, await response.text()]).toEqual([500, "internal error\n"]);
    metricsText = async () => "again\n";
    expect(await (await metrics()).text()).toBe("again\n");
  });
});

describe("hostile callers", () => {
  const open = (port: number): Promise<Socket> =>
    new Promise((resolve, reject) => {
      const socket = connect(port, "127.0.0.1", () => resolve(socket));
      socket.on("error", reject);
    });
  const closed = (socket: Socket): Promise<void> =>
    new Promise((resolve) => {
      socket.on("error", () => {});
      socket.on("close", () => resolve());
      socket.resume();
    });

  test("connections beyond the cap are closed at once, and the port serves again when they leave", async () => {
    const sockets = await Promise.all(Array.from({ length: HTTP_CONNECTIONS_MAX }, () => open(endpoints.healthPort)));
    await closed(await open(endpoints.healthPort));
    for (const socket of sockets) socket.destroy();
    const deadline = Date.now() + 20_000;
    let status = 0;
    while (status !== 200 && Date.now() < deadline)
      status = await health("/livez").then(
        (r) => r.status,
        () => 0,
      );
    expect(status).toBe(200);
  });

  test("a request that never ends its headers is ended when its time is up, and not before", async () => {
    const [silent, slow] = await Promise.all([open(endpoints.healthPort), open(endpoints.healthPort)]);
    const ends = Promise.all([closed(silent), closed(slow)]);
    slow.write("GET /livez HTTP/1.1\r\nhos");
    // An answer on a third connection shows that the server has seen the first two.
    await health("/livez");
    time.advance(HTTP_CONNECTION_LIFE_MS - 1);
    slow.write("t: x\r\n");
    await health("/livez");
    expect([silent.readyState, slow.readyState]).toEqual(["open", "open"]);
    time.advance(1);
    await ends;
  });

  test("connections that ended leave no timer behind", async () => {
    await (await health("/livez")).text();
    const deadline = Date.now() + 10_000;
    while (time.pending > 0 && Date.now() < deadline) await Bun.sleep(5);
    expect(time.pending).toBe(0);
  });

  test.each([
    ["garbage", "\0\u0001\u0002 hello\r\n\r\n"],
    ["an absurd header", `GET /livez HTTP/1.1\r\nx: ${"a".repeat(1_000_000)}\r\n\r\n`],
    ["a reset in the middle", "GET /livez HT"],
  ])("%s costs nothing but the connection", async (_, bytes) => {
    const socket = await open(endpoints.healthPort);
    const end = closed(socket);
    socket.write(bytes);
    setTimeout(() => socket.resetAndDestroy(), 200);
    await end;
    expect((await health("/livez")).status).toBe(200);
  });
});

test("a port in use is named in one line with its flag, and nothing stays open", async () => {
  const before = await createHttpEndpoints(options());
  const free = before.healthPort;
  await before[Symbol.asyncDispose]();
  const taken = endpoints.metricsPort;
  const attempt = createHttpEndpoints({ ...options(), healthPort: free, metricsPort: taken });
  await expect(attempt).rejects.toThrow(ListenError);
  await expect(attempt).rejects.toThrow(`--metrics-port: cannot listen on port ${taken}: another process uses it`);
  await expect(fetch(`http://127.0.0.1:${free}/livez`)).rejects.toThrow();
});

test.each(["192.0.2.1", "no-such-host.invalid"])("%s is no address of this machine, and named so", async (host) => {
  const attempt = createHttpEndpoints({ ...options(), host });
  await expect(attempt).rejects.toThrow("--http-host is no address of this machine");
});

test("after the end nothing listens, and connections that were open are closed", async () => {
  const port = endpoints.healthPort;
  const socket = connect(port, "127.0.0.1");
  await new Promise((resolve) => socket.on("connect", resolve));
  const end = new Promise((resolve) => socket.on("close", resolve));
  socket.on("error", () => {});
  socket.resume();
  await endpoints[Symbol.asyncDispose]();
  await end;
  await expect(fetch(`http://127.0.0.1:${port}/livez`)).rejects.toThrow();
});
