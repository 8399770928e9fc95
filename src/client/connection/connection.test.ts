import { describe, expect, test } from "bun:test";
import * as grpc from "@grpc/grpc-js";
import { drain, failure } from "../../../tests/support/client-outcomes.ts";
import { eventually } from "../../../tests/support/grpc-fixture.ts";
import { type Scripts, startScriptedServer } from "../../../tests/support/scripted-server.ts";
import { GpuService } from "../../gen/device/v1alpha1/gpu_pb.ts";
import { ProviderService } from "../../gen/device/v1alpha1/provider_pb.ts";
import { SimulatedTime } from "../../testing/simulated-time.ts";
import type { ApiError } from "../errors.ts";
import { processSystem } from "../system.ts";
import { parseTarget } from "../target.ts";
import { CLIENT_VERSION } from "../version.ts";
import { DEFAULT_KEEPALIVE } from "./channel.ts";
import { type ConnectOptions, connect } from "./connect.ts";
import type { Connection } from "./connection.ts";

/** Real sockets, and a server that does what no well-behaved one does. */

const { getGpu, listGpus, watchGpus } = GpuService.method;
const HOUR_MS = 3_600_000;
const hangs = () => new Promise<never>(() => {});
const once: ConnectOptions = { retry: { maxAttempts: 1 } };

describe("a call", () => {
  test("carries metadata, the user agent and the name of the machine's own host", async () => {
    let seen: Record<string, unknown> = {};
    let host = "";
    await using server = await startScriptedServer({
      getGpu: (_, call) => {
        seen = call.metadata.getMap();
        host = call.getHost();
        return {};
      },
    });
    await using connection = connect({ target: server.target, userAgent: "monitor/1.2" });
    await connection.unary(getGpu, { name: "a" }, { metadata: { "x-trace": "7" } });
    expect(seen["x-trace"]).toBe("7");
    expect(seen["user-agent"]).toStartWith(`monitor/1.2 device-api-client/${CLIENT_VERSION} grpc-node-js/`);
    expect(host).toBe("localhost");
  });

  test("fails with the server's code and words, and the method's name", async () => {
    const status = { code: grpc.status.FAILED_PRECONDITION, details: "name: ü is not ready, 100 %" };
    await using server = await startScriptedServer({ getGpu: () => Promise.reject(status) });
    await using connection = connect({ target: server.target });
    const error = await failure(connection.unary(getGpu, { name: "a" }));
    expect([error.code, error.details]).toEqual(["FAILED_PRECONDITION", status.details]);
    expect(error.method).toBe("nvidia.device.v1alpha1.GpuService/GetGpu");
    expect(error.message).toBe(`FAILED_PRECONDITION: ${status.details} (${error.method})`);
  });

  test("to a method that the server does not have is UNIMPLEMENTED", async () => {
    await using server = await startScriptedServer({});
    await using connection = connect({ target: server.target });
    expect((await failure(connection.unary(getGpu, {}))).code).toBe("UNIMPLEMENTED");
    expect((await failure(drain(connection.serverStream(watchGpus, {})))).code).toBe("UNIMPLEMENTED");
  });

  test("that gets bytes which are no such message fails with INTERNAL, once, and harms no other", async () => {
    let asked = 0;
    await using server = await startScriptedServer({
      getGpu: () => {
        asked++;
        return Buffer.from([0x0a, 0xff]);
      },
      listGpus: () => ({}),
    });
    await using connection = connect({ target: server.target });
    const error = await failure(connection.unary(getGpu, {}));
    expect(error.code).toBe("INTERNAL");
    expect(error.details).toStartWith("the server's nvidia.device.v1alpha1.GetGpuResponse is not well-formed: ");
    expect(asked).toBe(1);
    await connection.unary(listGpus, {});
  });

  test.each([
    ["metadata of a name that no header has", { metadata: { "a b": "c" } }, "metadata: "],
    ["binary metadata", { metadata: { "a-bin": "c" } }, "metadata: "],
    ["no time", { timeoutMs: 0 }, "timeoutMs: 0 is not"],
    ["a time that is no number", { timeoutMs: Number.NaN }, "timeoutMs: NaN is not"],
    ["a signal that is none", { signal: {} as AbortSignal }, "signal: it is not an AbortSignal"],
  ])("with %s is INVALID_ARGUMENT and is never sent", async (_, options, words) => {
    let asked = 0;
    const count = () => {
      asked++;
      return {};
    };
    await using server = await startScriptedServer({ getGpu: count });
    await using connection = connect({ target: server.target });
    const error = await failure(connection.unary(getGpu, {}, options));
    expect(error.code).toBe("INVALID_ARGUMENT");
    expect(error.details).toStartWith(words);
    expect(asked).toBe(0);
  });

  test("with a request that cannot be encoded is INVALID_ARGUMENT", async () => {
    await using connection = connect({ target: "/nowhere/s.sock" });
    const seconds = "soon" as unknown as bigint;
    const request = { condition: { lastTransitionTime: { seconds } } };
    const error = await failure(connection.unary(ProviderService.method.updateGpuCondition, request));
    expect([error.code, error.details.slice(0, 9)]).toEqual(["INVALID_ARGUMENT", "request: "]);
  });

  test("may be one of hundreds at once, over one transport", async () => {
    const peers = new Set<string>();
    await using server = await startScriptedServer(
      {
        getGpu: ({ name }, call) => {
          peers.add(call.getPeer());
          return { gpu: { metadata: { name } } };
        },
      },
      { address: "127.0.0.1:0" },
    );
    await using connection = connect({ target: server.target });
    const names = Array.from({ length: 300 }, (_, i) => `gpu-${i}`);
    const replies = await Promise.all(names.map((name) => connection.unary(getGpu, { name })));
    expect(replies.map(({ gpu }) => gpu?.metadata?.name)).toEqual(names);
    expect(peers.size).toBe(1);
  });
});

test("two connections to one server are two transports, also where all their options are equal", async () => {
  const peers = new Set<string>();
  const scripts: Scripts = {
    getGpu: (_, call) => {
      peers.add(call.getPeer());
      return {};
    },
  };
  await using server = await startScriptedServer(scripts, { address: "127.0.0.1:0" });
  await using one = connect({ target: server.target });
  await using other = connect({ target: server.target });
  await one.unary(getGpu, {});
  await other.unary(getGpu, {});
  expect(peers.size).toBe(2);
});

describe("a call that does not come back", () => {
  test("ends at its deadline, the connection's or its own", async () => {
    await using server = await startScriptedServer({ getGpu: hangs });
    await using connection = connect({ target: server.target, timeoutMs: 50 });
    expect((await failure(connection.unary(getGpu, {}))).code).toBe("DEADLINE_EXCEEDED");
    await using patient = connect({ target: server.target });
    expect((await failure(patient.unary(getGpu, {}, { timeoutMs: 50 }))).code).toBe("DEADLINE_EXCEEDED");
  });

  test("may take 100 days: the time that is sent does not overflow, and is at most 24 days", async () => {
    let leftMs = 0;
    await using server = await startScriptedServer({
      getGpu: (_, call) => {
        leftMs = Number(call.getDeadline()) - Date.now();
        return {};
      },
    });
    await using connection = connect({ target: server.target });
    for (const timeoutMs of [100 * 86_400_000, Number.POSITIVE_INFINITY]) {
      await connection.unary(getGpu, {}, { timeoutMs });
      expect(leftMs).toBeGreaterThan(23 * 86_400_000);
      expect(leftMs).toBeLessThan(25 * 86_400_000);
    }
  });

  test("ends by its signal, before it starts and in flight, and the server is told", async () => {
    let started = 0;
    let cancelled = 0;
    await using server = await startScriptedServer({
      getGpu: (_, call) => {
        started++;
        call.on("cancelled", () => cancelled++);
        return hangs();
      },
    });
    // Hours, here and below: nothing but the signal may end the call.
    await using connection = connect({ target: server.target, timeoutMs: HOUR_MS });
    const gone = new Error("no longer wanted");
    const early = await failure(connection.unary(getGpu, {}, { signal: AbortSignal.abort(gone) }));
    expect([early.code, early.cause, started]).toEqual(["CANCELLED", gone, 0]);

    const controller = new AbortController();
    const call = failure(connection.unary(getGpu, {}, { signal: controller.signal }));
    await eventually(() => started === 1, "the call to reach the server");
    controller.abort(gone);
    const late = await call;
    expect([late.code, late.details, late.cause]).toEqual(["CANCELLED", "the caller's signal was aborted", gone]);
    await eventually(() => cancelled === 1, "the server to hear of it");
  });
});

test.each([0, 1, 2, 3, 5, 10, 20])(
  "a call that ends %i turns after it began is cancelled, or was done",
  async (turns) => {
    await using server = await startScriptedServer({ getGpu: hangs, watchGpus: () => {} });
    for (const end of ["close", "signal"] as const) {
      await using connection = connect({ target: server.target, timeoutMs: HOUR_MS });
      const controller = new AbortController();
      const { signal } = controller;
      const calls = [
        failure(connection.unary(getGpu, {}, { signal })),
        drain(connection.serverStream(watchGpus, {}, { signal })).catch((error: ApiError) => error.code),
      ];
      for (let i = 0; i < turns; i++) await Promise.resolve();
      if (end === "close") await connection.close();
      else controller.abort();
      const [call, stream] = await Promise.all(calls);
      expect([(call as ApiError).code, stream]).toEqual(["CANCELLED", end === "close" ? "CANCELLED" : []]);
    }
  },
);

describe("close", () => {
  const closed = (connection: Connection) => [
    failure(connection.unary(getGpu, {})),
    failure(drain(connection.serverStream(watchGpus, {}))),
  ];

  test("ends every call in flight and refuses later ones, with the same words; twice is once", async () => {
    let started = 0;
    const count = () => {
      started++;
      return hangs();
    };
    await using server = await startScriptedServer({ getGpu: count, watchGpus: count });
    const connection = connect({ target: server.target, timeoutMs: HOUR_MS });
    const calls = closed(connection);
    await eventually(() => started === 2, "the calls to reach the server");
    await connection.close();
    await connection.close();
    for (const error of await Promise.all([...calls, ...closed(connection)])) {
      expect([error.code, error.details]).toEqual(["CANCELLED", "the connection was closed"]);
    }
  });

  test("ends calls that still wait for a connection or to be repeated", async () => {
    const waits = new SimulatedTime();
    const patient = { timeoutMs: HOUR_MS, system: { ...processSystem, scheduler: waits } };
    const connection = connect({ target: "unix:/nowhere/s.sock", ...patient });
    const early = closed(connection);
    await eventually(() => waits.pending === 2, "both calls to have failed once, and to wait");
    const late = closed(connection);
    await connection.close();
    const ends = await Promise.all([...early, ...late]);
    expect(ends.map(({ code }) => code)).toEqual(["CANCELLED", "CANCELLED", "CANCELLED", "CANCELLED"]);
    expect(waits.pending).toBe(0);
  });

  test("ends a stream whose reader is busy at its next step", async () => {
    await using server = await startScriptedServer({
      watchGpus: (send) => {
        send({ type: "A" });
        send({ type: "B" });
      },
    });
    const connection = connect({ target: server.target });
    const seen: string[] = [];
    const read = async () => {
      for await (const { type } of connection.serverStream(watchGpus, {})) {
        seen.push(type);
        await connection.close();
        await Bun.sleep(20);
      }
    };
    expect((await failure(read())).details).toBe("the connection was closed");
    expect(seen).toEqual(["A"]);
  });

  test("lets the socket go", async () => {
    await using server = await startScriptedServer({ getGpu: () => ({}) }, { address: "127.0.0.1:0" });
    const open = () => [...new Bun.Glob("*").scanSync({ cwd: "/proc/self/fd", onlyFiles: false })].length;
    await using first = connect({ target: server.target });
    await first.unary(getGpu, {});
    const before = open();
    for (let i = 0; i < 20; i++) {
      await using connection = connect({ target: server.target });
      await connection.unary(getGpu, {});
    }
    await eventually(() => open() <= before, "the descriptors to be as few as before");
  });
});

const MILLISECONDS = [-5, 0, Number.NaN, Number.POSITIVE_INFINITY, 30 * 86_400_000];

test.each<[string, ConnectOptions]>([
  ['target: "nonsense" is not a target', { target: "nonsense" }],
  ...[null, {}, 5, { address: "unix:/a.sock" }].map((target): [string, ConnectOptions] => [
    `target: ${JSON.stringify(target)} is not a target`,
    { target: target as unknown as string },
  ]),
  ["timeoutMs: -1 is not", { timeoutMs: -1 }],
  ["userAgent: ", { userAgent: "a\nb" }],
  ["tls.cert is given without tls.key", { tls: { cert: "x" } }],
  ["tls.key is given without tls.cert", { tls: { key: "x" } }],
  ...[Number.NaN, 0, -1, 1.5].map((maxAttempts): [string, ConnectOptions] => [
    `retry.maxAttempts is ${maxAttempts}: it must be a whole number from 1, or Infinity`,
    { retry: { maxAttempts } },
  ]),
  ...MILLISECONDS.flatMap((ms): [string, ConnectOptions][] => [
    [`retry.firstMs is ${ms}: it must be 1 to 2073600000 milliseconds`, { retry: { firstMs: ms } }],
    [`retry.maxMs is ${ms}: it must be`, { retry: { maxMs: ms } }],
    [`keepalive.timeMs is ${ms}: it must be`, { keepalive: { timeMs: ms, timeoutMs: 1 } }],
    [`keepalive.timeoutMs is ${ms}: it must be`, { keepalive: { timeMs: 1, timeoutMs: ms } }],
  ]),
])("connect throws at once: %s", (words, options) => {
  expect(() => connect({ ...once, ...options })).toThrow(`INVALID_ARGUMENT: ${words}`);
});

test("a target that was parsed before is taken as it is, and attempts may be without end", async () => {
  const target = parseTarget("/nowhere/s.sock");
  await using connection = connect({ ...(target && { target }), retry: { maxAttempts: Number.POSITIVE_INFINITY } });
  expect(connection.target).toEqual({ address: "unix:/nowhere/s.sock", shown: "unix:///nowhere/s.sock" });
});

test("keepalive is gentle by default: a server in Go ends connections that ask more often", () => {
  expect(DEFAULT_KEEPALIVE).toEqual({ timeMs: 5 * 60_000, timeoutMs: 20_000 });
});
