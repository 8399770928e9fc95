import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import * as grpc from "@grpc/grpc-js";
import { eventually } from "../../tests/support/grpc-fixture.ts";
import { type Scripts, startScriptedServer } from "../../tests/support/scripted-server.ts";
import { startTestServer, type TestServer } from "../../tests/support/test-server.ts";
import type { Gpu } from "../gen/device/v1alpha1/gpu_pb.ts";
import { type Clientset, createClientset } from "./clientset.ts";
import { connect } from "./connection/connect.ts";
import type { Connection } from "./connection/connection.ts";
import { type ApiError, isExpired, isInvalidArgument, isNotFound } from "./errors.ts";
import type { ResourceClient, WatchEvent } from "./resource/types.ts";

/** The whole server in this process, on real sockets. */

let server: TestServer;
let connection: Connection;
let clientset: Clientset;

beforeAll(async () => {
  server = await startTestServer(["--simulate=3", "--provider-lease=1s"]);
  connection = connect({ target: server.unixTarget });
  clientset = createClientset(connection);
});

afterAll(async () => {
  await connection.close();
  await server.stop();
});

const gpus = () => clientset.deviceV1alpha1().gpus();
const failure = (call: Promise<unknown>) =>
  call.then(
    () => undefined,
    (error: unknown) => error,
  );
const nameOf = (gpu: Gpu | undefined) => gpu?.metadata?.name;
const condition = (gpu: Gpu, type: string) => gpu.status?.conditions.find((found) => found.type === type);

async function take<T>(events: AsyncIterable<WatchEvent<T>>, count: number): Promise<WatchEvent<T>[]> {
  const taken: WatchEvent<T>[] = [];
  for await (const event of events) if (taken.push(event) === count) break;
  return taken;
}

describe("the GPUs", () => {
  test("are got by name and listed at one version, over TCP as well", async () => {
    expect(nameOf(await gpus().get("GPU-1"))).toBe("gpu-1");
    const { items, resourceVersion } = await gpus().list();
    expect(items.map(nameOf).slice(0, 3)).toEqual(["gpu-0", "gpu-1", "gpu-2"]);
    expect(BigInt(resourceVersion)).toBeGreaterThanOrEqual(items[0]?.resourceVersion ?? 0n);
    await using tcp = connect({ target: server.tcpTarget });
    expect((await createClientset(tcp).deviceV1alpha1().gpus().list()).items.length).toBe(items.length);
  });

  test("of another namespace are none", async () => {
    expect((await gpus().list({ namespace: "other" })).items).toEqual([]);
    expect(isNotFound(await failure(gpus().get("gpu-1", { namespace: "other" })))).toBe(true);
  });

  test("that are not there, and names and versions that are none, fail in the server's words", async () => {
    const missing = await failure(gpus().get("gpu-9"));
    expect(isNotFound(missing)).toBe(true);
    expect((missing as ApiError).details).toContain("gpu-9");
    expect(isInvalidArgument(await failure(gpus().get("")))).toBe(true);
    expect(isInvalidArgument(await failure(gpus().list({ resourceVersion: "new" })))).toBe(true);
  });

  test("are watched: the present state and then each change, or the changes after a version", async () => {
    const provider = clientset.deviceV1alpha1().providers("watched");
    const { resourceVersion } = await gpus().list();
    await provider.register("watched");
    await provider.updateCondition("watched", { type: "Memory", status: "False", reason: "Dbe" });
    await provider.unregister("watched");
    const later = gpus().watch({ resourceVersion });
    for (let i = 0; i < 2; i++) {
      const events = await take(later, 3);
      expect(events.map(({ type, object }) => [type, nameOf(object)])).toEqual([
        ["ADDED", "watched"],
        ["MODIFIED", "watched"],
        ["DELETED", "watched"],
      ]);
    }
    const present = await take(gpus().watch(), 3);
    expect(present.map(({ type, object }) => [type, nameOf(object)])).toEqual([
      ["ADDED", "gpu-0"],
      ["ADDED", "gpu-1"],
      ["ADDED", "gpu-2"],
    ]);
  });

  test("of a version that is gone, or still to come, are expired", async () => {
    const { resourceVersion } = await gpus().list();
    for (const version of ["1", String(BigInt(resourceVersion) + 1_000n)]) {
      expect(isExpired(await failure(take(gpus().watch({ resourceVersion: version }), 1)))).toBe(true);
    }
  });

  test("are watched until the signal says stop, which is no error", async () => {
    const stop = new AbortController();
    let seen = 0;
    for await (const _ of gpus().watch({ signal: stop.signal })) if (++seen === 3) stop.abort();
    expect(seen).toBe(3);
    await eventually(() => server.store.stats().watchers === 0, "the server's watches to end");
  });
});

describe("a provider", () => {
  const provider = () => clientset.deviceV1alpha1().providers("monitor");

  test("registers, reports and leaves, under its id", async () => {
    const initialStatus = { conditions: [{ type: "Memory", status: "True" }] };
    const first = await provider().register("own-0", { spec: { uuid: "GPU-own-0" }, initialStatus });
    expect([first.created, (await provider().register("own-0")).created]).toEqual([true, false]);
    expect(condition(await gpus().get("own-0"), "Ready")?.status).toBe("True");

    const updated = await provider().updateCondition("own-0", { type: "Memory", status: "False", reason: "Dbe" });
    expect(updated.resourceVersion).toBe((await gpus().get("own-0")).resourceVersion);
    expect(condition(await gpus().get("own-0"), "Memory")?.reason).toBe("Dbe");

    await provider().updateStatus("own-0", { conditions: [{ type: "Link", status: "Unknown" }] });
    const types = (await gpus().get("own-0")).status?.conditions.map(({ type, status }) => `${type}=${status}`);
    expect(types).toEqual(["Ready=Unknown", "Link=Unknown"]);

    expect((await provider().unregister("own-0")).deleted).toBe(true);
    expect((await provider().unregister("own-0")).deleted).toBe(false);
    expect(isNotFound(await failure(provider().updateStatus("own-0", {})))).toBe(true);
  });

  test("that claims an id of the server's own is refused, and a heartbeat needs an id", async () => {
    const { providers } = clientset.deviceV1alpha1();
    expect(await failure(providers("operator").register("x"))).toMatchObject({ code: "PERMISSION_DENIED" });
    expect(isInvalidArgument(await failure(providers("").heartbeat()))).toBe(true);
    expect((await provider().heartbeat(["nobody"])).acknowledged).toBe(true);
  });

  test("is kept alive past its lease, loses it when keep-alive ends, and is back with the next one", async () => {
    const memory = async () => condition(await gpus().get("kept"), "Memory")?.status;
    const status = { conditions: [{ type: "Memory", status: "True" }] };
    const kept = clientset.deviceV1alpha1().providers("kept");
    let written = 0;
    const onLost = async (signal: AbortSignal) => {
      await kept.register("kept", {}, { signal });
      await kept.updateStatus("kept", status, { signal });
      written++;
    };
    const options = { gpuNames: ["kept"], periodMs: 200, onLost };
    const first = kept.keepAlive(options);
    await eventually(() => written > 0, "the first state to be written");
    const writtenAtFirst = written;
    await Bun.sleep(1_500);
    // A machine that stalls for a whole lease loses it, and is told with the next heartbeat.
    const isKept = async () => (await memory()) === "True" || written > writtenAtFirst;
    await eventually(isKept, "the lease to be kept, or its loss to be told");
    await first[Symbol.asyncDispose]();
    for await (const { object } of gpus().watch()) {
      if (nameOf(object) === "kept" && condition(object, "Memory")?.reason === "ProviderLost") break;
    }
    expect(await memory()).toBe("Unknown");
    await using _ = kept.keepAlive(options);
    for await (const { object } of gpus().watch()) {
      if (nameOf(object) === "kept" && condition(object, "Memory")?.status === "True") break;
    }
  });
});

describe("a server that does not keep the contract", () => {
  const misled = async (scripts: Scripts, call: (client: ResourceClient<Gpu>) => Promise<unknown>) => {
    await using scripted = await startScriptedServer(scripts);
    await using own = connect({ target: scripted.target, retry: { maxAttempts: 1 } });
    return await failure(call(createClientset(own).deviceV1alpha1().gpus()));
  };
  const object = { metadata: { name: "a", resourceVersion: "1" } };

  test.each([
    ["ERROR", { type: "ERROR", object }, 'an event of type "ERROR"'],
    ["BOOKMARK", { type: "BOOKMARK", object }, 'an event of type "BOOKMARK"'],
    ["no type", { object }, 'an event of type ""'],
    ["no object", { type: "ADDED" }, "an event of type ADDED without an object"],
  ])("ends a watch with INTERNAL by an event with %s", async (_, event, words) => {
    const scripts: Scripts = {
      watchGpus: (send) => {
        send({ type: "ADDED", object });
        send(event);
      },
    };
    const error = await misled(scripts, (client) => take(client.watch(), 2));
    expect(error).toMatchObject({ code: "INTERNAL", details: `the server does not keep the contract: ${words}` });
  });

  test("is told by a reply without its object, list or version", async () => {
    const internal = {
      code: "INTERNAL",
      details: expect.stringContaining("does not keep the contract: the reply has no"),
    };
    expect(await misled({ getGpu: () => ({}) }, (client) => client.get("a"))).toMatchObject(internal);
    expect(await misled({ listGpus: () => ({}) }, (client) => client.list())).toMatchObject(internal);
    const unversioned: Scripts = { listGpus: () => ({ gpuList: { items: [object] } }) };
    expect(await misled(unversioned, (client) => client.list())).toMatchObject(internal);
  });

  test("ends a watch with OK: then it simply ends", async () => {
    const scripts: Scripts = { watchGpus: (_, call) => void call.end() };
    expect(await misled(scripts, (client) => take(client.watch(), 1))).toBeUndefined();
  });
});

test("a write that was cut off is sent again, and done once", async () => {
  const asked: string[] = [];
  await using scripted = await startScriptedServer({
    registerGpu: ({ name, providerId }) => {
      if (asked.push(`${name} ${providerId}`) === 1) throw { code: grpc.status.UNAVAILABLE, details: "draining" };
      return { created: false, resourceVersion: 7n };
    },
  });
  await using own = connect({ target: scripted.target, retry: { firstMs: 1 } });
  const reply = await createClientset(own).deviceV1alpha1().providers("p").register("a");
  expect([reply.resourceVersion, ...asked]).toEqual([7n, "a p", "a p"]);
});
