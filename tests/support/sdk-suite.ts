import { strict as assert } from "node:assert";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as grpc from "@grpc/grpc-js";
import { createAuthority } from "./certificates.ts";
import { startScriptedServer } from "./scripted-server.ts";

/**
 * The SDK as its users have it: on Node from what the TypeScript compiler made of it, on Bun from the source. Prints
 * one line of JSON for each check, and then has to end by itself: a timer or socket that is left would keep it.
 * Arguments: FOLDER EXTENSION UNIX_TARGET TCP_TARGET.
 */

const [folder = "", extension = "", unixTarget = "", tcpTarget = ""] = process.argv.slice(2);
const load = (name: string) => import(`${folder}/client/${name}.${extension}`);
const { connect }: typeof import("../../src/client/connection/connect.ts") = await load("connection/connect");
const { createClientset }: typeof import("../../src/client/clientset.ts") = await load("clientset");
const { ApiError }: typeof import("../../src/client/errors.ts") = await load("errors");
const informers: typeof import("../../src/client/informer-factory.gen.ts") = await load("informer-factory.gen");

const warnings: string[] = [];
process.on("warning", (warning) => warnings.push(`${warning.name}: ${warning.message}`));
process.on("unhandledRejection", (reason) => warnings.push(`unhandled rejection: ${reason}`));

const clientsetOf = (connection: import("../../src/client/connection/connection.ts").Connection) =>
  createClientset(connection).deviceV1alpha1();

/** OK, or the code of the ApiError. */
async function codeOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return "OK";
  } catch (error) {
    assert.ok(error instanceof ApiError, String(error));
    return error.code;
  }
}

const CHECKS: Readonly<Record<string, () => Promise<void>>> = {
  async "get, list and watch over the socket and over TCP"() {
    for (const target of [unixTarget, tcpTarget]) {
      await using connection = connect({ target });
      const gpus = clientsetOf(connection).gpus();
      const { items, resourceVersion } = await gpus.list();
      assert.equal(items.length, 3);
      assert.equal((await gpus.get("gpu-1")).metadata?.name, "gpu-1");
      const seen: string[] = [];
      for await (const { type, object } of gpus.watch()) {
        if (seen.push(`${type} ${object.metadata?.name}`) === 3) break;
      }
      assert.deepEqual(seen, ["ADDED gpu-0", "ADDED gpu-1", "ADDED gpu-2"]);
      assert.equal(await codeOf(gpus.get("gpu-9")), "NOT_FOUND");
      const ahead = gpus.watch({ resourceVersion: `${resourceVersion}0` })[Symbol.asyncIterator]();
      assert.equal(await codeOf(ahead.next()), "OUT_OF_RANGE");
    }
  },
  async "a provider from its registration to its end"() {
    await using connection = connect({ target: unixTarget });
    const { gpus, providers } = clientsetOf(connection);
    const provider = providers("suite");
    assert.equal((await provider.register("suite-0", { spec: { uuid: "GPU-suite" } })).created, true);
    {
      await using _ = provider.keepAlive({ gpuNames: ["suite-0"], onLost: () => {} });
      await provider.updateStatus("suite-0", { conditions: [{ type: "Memory", status: "False", reason: "Dbe" }] });
      const { status } = await gpus().get("suite-0");
      assert.deepEqual(
        status?.conditions.map(({ type, status, reason }) => `${type}=${status} ${reason}`),
        ["Ready=False Dbe", "Memory=False Dbe"],
      );
    }
    assert.equal((await provider.unregister("suite-0")).deleted, true);
  },
  async "many calls that share a signal end with it"() {
    await using connection = connect({ target: unixTarget });
    const gpus = clientsetOf(connection).gpus();
    const stop = new AbortController();
    const drained = Array.from({ length: 40 }, async () => {
      let seen = 0;
      for await (const _ of gpus.watch({ signal: stop.signal })) seen++;
      return seen;
    });
    await new Promise((resolve) => setTimeout(resolve, 200));
    stop.abort();
    for (const seen of await Promise.all(drained)) assert.ok(seen <= 3);
    assert.equal(await codeOf(gpus.list({ signal: stop.signal })), "CANCELLED");
  },
  async "a signal may be given to any number of calls, waits and keep-alives"() {
    await using connection = connect({ target: unixTarget });
    const clientset = createClientset(connection);
    await using factory = informers.createInformerFactory(clientset);
    const informer = factory.deviceV1alpha1().gpus().informer();
    const stop = new AbortController();
    const { signal } = stop;
    const registrations = Array.from({ length: 20 }, () => informer.addEventHandler({}));
    const waits = registrations.map((registration) => registration.waitForSync(signal));
    const provider = clientset.deviceV1alpha1().providers("sharing");
    const leases = registrations.map(() => provider.keepAlive({ signal, onLost: () => {} }));
    factory.start();
    await Promise.all(waits);
    stop.abort();
    for (const lease of leases) await lease[Symbol.asyncDispose]();
    const invalid = { signal: {} as AbortSignal };
    assert.equal(await codeOf(clientset.deviceV1alpha1().gpus().get("gpu-0", invalid)), "INVALID_ARGUMENT");
  },
  async "a keep-alive ends with its connection, and keeps no process"() {
    const connection = connect({ target: unixTarget });
    const written = new Promise<void>((resolve) => {
      // Its next heartbeat would be sent in an hour.
      clientsetOf(connection)
        .providers("forgotten")
        .keepAlive({ periodMs: 3_600_000, onLost: () => resolve() });
    });
    await written;
    await connection.close();
  },
  async "close with calls in flight"() {
    const connection = connect({ target: unixTarget });
    const gpus = clientsetOf(connection).gpus();
    await gpus.list();
    const watch = gpus.watch({ namespace: "silent" })[Symbol.asyncIterator]();
    const calls = [codeOf(watch.next()), codeOf(gpus.list())];
    await connection.close();
    assert.deepEqual(await Promise.all([...calls, codeOf(gpus.list())]), ["CANCELLED", "CANCELLED", "CANCELLED"]);
  },
  async "a socket that is not there, that comes, and that is replaced"() {
    const place = mkdtempSync(join(tmpdir(), "suite-"));
    const address = `unix:${join(place, "s.sock")}`;
    await using connection = connect({ target: address, retry: { maxAttempts: 1 } });
    const gpus = clientsetOf(connection).gpus();
    for (let i = 0; i < 20; i++) assert.equal(await codeOf(gpus.get("a")), "UNAVAILABLE");
    for (const name of ["one", "two"]) {
      const server = await startScriptedServer({ getGpu: () => ({ gpu: { metadata: { name } } }) }, { address });
      assert.equal((await gpus.get("a")).metadata?.name, name);
      await server[Symbol.asyncDispose]();
      while ((await codeOf(gpus.get("a"))) !== "UNAVAILABLE") await new Promise((resolve) => setTimeout(resolve, 5));
    }
    rmSync(place, { recursive: true });
  },
  async "mTLS by name and by address"() {
    const authority = createAuthority();
    const own = authority.issue("server", ["localhost", "IP:127.0.0.1"]);
    const pair = { private_key: Buffer.from(own.key), cert_chain: Buffer.from(own.cert) };
    const credentials = grpc.ServerCredentials.createSsl(Buffer.from(authority.cert), [pair], true);
    for (const address of ["localhost:0", "127.0.0.1:0"]) {
      await using server = await startScriptedServer({ getGpu: () => ({ gpu: {} }) }, { address, credentials });
      const call = async (tls: object) => {
        await using connection = connect({ target: server.target, tls, retry: { maxAttempts: 1 }, timeoutMs: 5_000 });
        return await codeOf(clientsetOf(connection).gpus().get("a"));
      };
      const ca = authority.cert;
      const client = authority.issue("client");
      assert.equal(await call({ ca, ...client }), "OK");
      assert.equal(await call({ ca }), "UNAVAILABLE");
      assert.equal(await call({ ca, ...client, serverName: "elsewhere" }), "UNAVAILABLE");
      assert.equal(await call({ ca: createAuthority().cert, ...client }), "UNAVAILABLE");
      for (const none of ["", "garbage"]) assert.equal(await call({ ca: none, ...client }), "FAILED_PRECONDITION");
    }
  },
  async "no warning and no rejection that nobody handled"() {
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.deepEqual(warnings, []);
  },
};

for (const [name, check] of Object.entries(CHECKS)) {
  let problem: string | undefined;
  try {
    await check();
  } catch (error) {
    problem = error instanceof Error ? (error.stack ?? error.message) : String(error);
  }
  console.log(JSON.stringify({ name, problem }));
}
