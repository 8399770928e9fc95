import { expect, test } from "bun:test";
import { GpuService } from "../../src/gen/device/v1alpha1/gpu_pb.ts";
import { DESCRIPTORS_RESERVED } from "../../src/transport/descriptor-limit.ts";
import { type RunningBinary, spawnBinary } from "../support/binary.ts";
import { eventually } from "../support/eventually.ts";
import { cpuShareOf } from "../support/process-cost.ts";
import { RetryingClients } from "../support/retrying-clients.ts";
import { TestClient } from "../support/test-client.ts";

/** T-FD-1. */

const DESCRIPTORS = 256;
const CLIENTS = 1_000;
const CAP = DESCRIPTORS - DESCRIPTORS_RESERVED;
/** At the limit of descriptors the runtime's listener would take a whole core. */
const CPU_SHARE_MAX = 0.2;
const MEASURED_MS = 3_000;
/** Refusals of one kind are logged so often at most. */
const LOG_PERIOD_MS = 60_000;

test("with few descriptors a server refuses clients beyond its cap at little cost, and serves them later", async () => {
  const startedMs = performance.now();
  const limited = ["bash", "-c", `ulimit -n ${DESCRIPTORS}; exec "$0" "$@"`];
  await using binary = await spawnBinary(["--simulate=1"], {}, limited);
  expect(await binary.metric("process_max_fds")).toBe(DESCRIPTORS);
  const before = await binary.metric("process_open_fds");
  const clients = new RetryingClients(binary.socket, CLIENTS);
  await eventually(() => clients.served === CAP && clients.refused >= CLIENTS - CAP, "as many as fit are served");

  const share = await cpuShareOf(binary.process.pid, MEASURED_MS);
  const full = await binary.metric("process_open_fds");
  const cost = `${(share * 100).toFixed(1)} % of a core and ${full} descriptors`;
  console.log(`T-FD-1: ${clients.served} of ${CLIENTS} clients are served, ${clients.refused} refusals, ${cost}`);
  expect([clients.served, await openConnections(binary)]).toEqual([CAP, CAP]);
  expect(share).toBeLessThan(CPU_SHARE_MAX);
  expect(full).toBeLessThan(before + CAP + 2);
  expect((await fetch(`${binary.healthUrl}/readyz`)).status).toBe(200);

  clients.leave();
  await eventually(() => clients.served === CAP, "others are served");

  clients[Symbol.dispose]();
  while ((await openConnections(binary)) > 0) await Bun.sleep(10);
  using client = new TestClient(binary.unixTarget);
  expect((await client.call(GpuService.method.getGpu, { name: "gpu-0" })).gpu?.metadata?.name).toBe("gpu-0");
  expect(await binary.metric("process_open_fds")).toBeLessThan(before + 2);
  expect(await binary.metric(REJECTED, 'reason="total"')).toBeGreaterThanOrEqual(clients.refused);
  expect(await binary.metric(REJECTED)).toBe(await binary.metric(REJECTED, 'reason="total"'));
  expect(logged(binary, "fewer connections than asked for")).toBe(1);
  const periods = Math.ceil((performance.now() - startedMs) / LOG_PERIOD_MS);
  expect(logged(binary, "a connection was turned away")).toBeWithin(1, periods + 1);
});

const REJECTED = "device_api_server_connections_rejected_total";

function openConnections(binary: RunningBinary): Promise<number> {
  return binary.metric("device_api_server_connections_open");
}

function logged(binary: RunningBinary, message: string): number {
  return binary.logLines.filter((line) => line.includes(message)).length;
}
