import { expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { spawnBinary } from "../support/binary.ts";
import { receiveDatagrams } from "../support/datagrams.ts";

/** What systemd hears of the compiled binary with Type=notify and a watchdog. */
test("the service manager hears ready, signs of life, and how long the drain may take", async () => {
  const folder = await mkdtemp(join(tmpdir(), "das-notify-"));
  await using manager = await receiveDatagrams(folder);
  const env = { NOTIFY_SOCKET: manager.path, WATCHDOG_USEC: "100000" };
  const binary = await spawnBinary(["--simulate=1", "--shutdown-timeout=7"], env);
  while (manager.received.length < 4) await Bun.sleep(20);
  expect(await binary.stop()).toBe(0);

  const [first, ...others] = manager.received;
  expect(first).toBe(`READY=1\nSTATUS=serving on ${binary.socket} ${binary.tcpTarget}`);
  expect(others.slice(0, 3)).toEqual(["WATCHDOG=1", "WATCHDOG=1", "WATCHDOG=1"]);
  expect(others.filter((line) => line !== "WATCHDOG=1")).toEqual([
    "STOPPING=1\nSTATUS=draining\nEXTEND_TIMEOUT_USEC=12000000",
  ]);
  await rm(folder, { recursive: true });
});

test("a service manager that is not there is no reason not to serve", async () => {
  const binary = await spawnBinary([], { NOTIFY_SOCKET: "/nowhere/notify" });
  expect(await (await fetch(`${binary.healthUrl}/readyz`)).text()).toContain("ok");
  expect(await binary.stop()).toBe(0);
  expect(binary.logLines.filter((line) => line.includes("service manager"))).toHaveLength(1);
});
