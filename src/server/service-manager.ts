import type { Scheduler } from "../base/clock.ts";
import type { Logger } from "../base/log.ts";

/** What the service manager wants to know of its service (sd_notify(3)). Does nothing where none has asked. */
export interface ServiceManager extends Disposable {
  /** Consumers can connect. From now on the manager hears, twice in its watchdog's time, that events are handled. */
  ready(status: string): void;
  /** The server drains, and may take so long: the manager is to wait for it. */
  stopping(status: string, maxMs: number): void;
}

export interface ServiceManagerOptions {
  /** NOTIFY_SOCKET and WATCHDOG_USEC are what the manager asks with. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly scheduler: Scheduler;
  readonly log: Logger;
  /** Throws where the datagram cannot be sent. */
  send(address: string, message: string): void;
}

/** The shortest time between two signs of life; nobody sets a watchdog to less than some seconds. */
const BEAT_MS_MIN = 10;
/** setTimeout has no more; a watchdog of days is as good as one of 24 days. */
const BEAT_MS_MAX = 2 ** 31 - 1;

export function createServiceManager({ env, scheduler, log, send }: ServiceManagerOptions): ServiceManager {
  const address = env["NOTIFY_SOCKET"] ?? "";
  const beatMs = beatMsOf(env["WATCHDOG_USEC"]);
  let warned = false;
  let timer: Disposable | undefined;

  const tell = (message: string): void => {
    if (address === "") return;
    try {
      send(address, message);
    } catch (error) {
      // A manager that cannot be reached is no reason to stop; it will act as it sees fit.
      if (!warned) log.warn("the service manager cannot be told", { address, error: String(error) });
      warned = true;
    }
  };
  const beat = (): void => {
    if (address === "" || beatMs === undefined) return;
    tell("WATCHDOG=1");
    timer = scheduler.setTimer(beat, beatMs);
  };

  return {
    ready(status) {
      tell(`READY=1\nSTATUS=${status}`);
      beat();
    },
    stopping(status, maxMs) {
      tell(`STOPPING=1\nSTATUS=${status}\nEXTEND_TIMEOUT_USEC=${maxMs * 1_000}`);
    },
    [Symbol.dispose]() {
      timer?.[Symbol.dispose]();
    },
  };
}

/** Half of the watchdog's time, as sd_watchdog_enabled(3) advises; undefined where there is no watchdog. */
function beatMsOf(watchdogUs: string | undefined): number | undefined {
  if (watchdogUs === undefined || !/^\d{1,18}$/.test(watchdogUs)) return undefined;
  const beatMs = Math.floor(Number(watchdogUs) / 2_000);
  return beatMs === 0 ? undefined : Math.min(Math.max(beatMs, BEAT_MS_MIN), BEAT_MS_MAX);
}
