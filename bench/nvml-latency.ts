/**
 * `bun bench/nvml-latency.ts [WATCHERS [EVENTS]]`: from an Xid event of the scripted library to its receipt by each of
 * so many watchers of the compiled binary, each on a unix connection of its own. Needs the binary (`just build`).
 *
 * The time begins before the command that makes the event, so that the command itself is part of it; how long it took
 * is printed beside. Events come one by one, at random moments. A client that reads all sockets in turn sees the last
 * ones late by its own work, which is printed too: the time from the first receipt to the last.
 */
import { allXids } from "../src/provider/nvml/xids/catalogue.ts";
import { createFakeNvml } from "../src/testing/fake-nvml.ts";
import { spawnBinary } from "../tests/support/binary.ts";
import { quantilesOf } from "./quantiles.ts";
import { monotonicMs, openWatches } from "./watch-sockets.ts";

const GPUS = 8;
const PAUSE_MAX_MS = 150;
const LIMIT_MS = 10_000;

/** Of one gravity: the newest is the one that is shown, so each changes the GPU. */
const CODES = allXids().filter(({ effect, action }) => effect === "unhealthy" && action === "COMPONENT_RESET");

const watchers = Number(process.argv[2] ?? 100);
const events = Number(process.argv[3] ?? 1_000);

using fake = createFakeNvml({ gpus: GPUS });
await using binary = await spawnBinary(["--enable-nvml-provider", `--nvml-driver-root=${fake.root}`], fake.env);
const received: { message: Buffer; atMs: number }[][] = Array.from({ length: watchers }, () => []);
using sockets = openWatches(binary.socket, watchers, (watcher, message, atMs) => {
  received[watcher]?.push({ message, atMs });
});
untilAllHave(GPUS);

const latencies: number[] = [];
const first: number[] = [];
const spread: number[] = [];
const commands: number[] = [];
for (let i = 0; i < events; i++) {
  const place = i % GPUS;
  const code = CODES[Math.floor(i / GPUS) % CODES.length]?.code ?? 0;
  if (i > 0 && i % (GPUS * CODES.length) === 0) recoverAll();
  quiet(Math.random() * PAUSE_MAX_MS);
  forget();
  const startedMs = monotonicMs();
  fake.command(`xid ${place} ${code}`);
  commands.push(monotonicMs() - startedMs);
  untilAllHave(1);
  const tookMs = received.map(([one]) => (one?.atMs ?? Number.NaN) - startedMs);
  if (!received.every(([one]) => one?.message.includes(`Xid ${code} `))) throw new Error(`not of Xid ${code}`);
  latencies.push(...tookMs);
  first.push(Math.min(...tookMs));
  spread.push(Math.max(...tookMs) - Math.min(...tookMs));
}
console.log(`${watchers} watchers, ${events} events; milliseconds:`);
console.log("| | samples | p50 | p99 | max |");
console.log("| --- | --: | --: | --: | --: |");
print("event to a watcher's receipt, command included", latencies);
print("event to the first receipt", first);
print("from the first receipt to the last", spread);
print("the command alone", commands);

function print(what: string, values: readonly number[]): void {
  const { count, p50, p99, max } = quantilesOf(values);
  console.log(`| ${what} | ${count} | ${[p50, p99, max].map((ms) => ms.toFixed(2)).join(" | ")} |`);
}

function forget(): void {
  for (const messages of received) messages.length = 0;
}

function untilAllHave(count: number): void {
  const limitMs = monotonicMs() + LIMIT_MS;
  while (received.some((messages) => messages.length < count)) {
    if (monotonicMs() > limitMs) throw new Error(`not every watcher has ${count} messages`);
    sockets.poll(100);
  }
}

/** Reads on, so that nothing is left over for the next event. */
function quiet(forMs: number): void {
  const untilMs = monotonicMs() + forMs;
  for (let leftMs = forMs; leftMs > 0; leftMs = untilMs - monotonicMs()) sockets.poll(leftMs);
}

function recoverAll(): void {
  for (const verdict of [1, 0]) {
    fake.command(`gpu all recovery_action=${verdict}`);
    quiet(1_000);
  }
}
