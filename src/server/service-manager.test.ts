import { expect, test } from "bun:test";
import { type Logger, silentLogger } from "../base/log.ts";
import { SimulatedTime } from "../testing/simulated-time.ts";
import { createServiceManager } from "./service-manager.ts";

const STATUS = "serving on /run/a.sock";

function play(env: Record<string, string>, send?: () => void) {
  const time = new SimulatedTime();
  const sent: string[] = [];
  const warnings: string[] = [];
  const log: Logger = { ...silentLogger, warn: (message) => warnings.push(message) };
  const manager = createServiceManager({
    env,
    scheduler: time,
    log,
    send: (address, message) => {
      send?.();
      sent.push(`${address} ${message}`);
    },
  });
  return { time, sent, warnings, manager };
}

test("where no service manager has asked, nothing is sent and no timer runs", () => {
  const { time, sent, manager } = play({ WATCHDOG_USEC: "1000000" });
  manager.ready(STATUS);
  manager.stopping("draining", 1_000);
  expect(sent).toEqual([]);
  expect(time.pending).toBe(0);
});

test("the watchdog hears twice in its time, until the server has ended", () => {
  const { time, sent, manager } = play({ NOTIFY_SOCKET: "@a", WATCHDOG_USEC: "4000000" });
  manager.ready(STATUS);
  expect(sent).toEqual([`@a READY=1\nSTATUS=${STATUS}`, "@a WATCHDOG=1"]);
  time.advance(5_999);
  expect(sent.filter((line) => line === "@a WATCHDOG=1")).toHaveLength(3);
  manager.stopping("draining", 35_000);
  expect(sent.at(-1)).toBe("@a STOPPING=1\nSTATUS=draining\nEXTEND_TIMEOUT_USEC=35000000");
  time.advance(1);
  expect(sent.at(-1)).toBe("@a WATCHDOG=1");
  manager[Symbol.dispose]();
  expect(time.pending).toBe(0);
});

test.each(["", "0", "-1", "abc", "1"])("a watchdog of %p is none", (watchdogUs) => {
  const { time, sent, manager } = play({ NOTIFY_SOCKET: "/run/notify", WATCHDOG_USEC: watchdogUs });
  manager.ready(STATUS);
  expect(sent).toHaveLength(1);
  expect(time.pending).toBe(0);
});

test("a manager that cannot be reached is warned of once, and told again later", () => {
  const { time, warnings, manager } = play({ NOTIFY_SOCKET: "/gone", WATCHDOG_USEC: "2000000" }, () => {
    throw new Error("errno 111");
  });
  manager.ready(STATUS);
  time.advance(10_000);
  expect(warnings).toEqual(["the service manager cannot be told"]);
  expect(time.pending).toBe(1);
});
