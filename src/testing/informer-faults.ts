import type { ErrorCode } from "../client/errors.ts";
import type { SimulatedServer } from "./informer-server.ts";
import type { Prng } from "./prng.ts";
import type { SimulatedTime } from "./simulated-time.ts";

const CODES: readonly ErrorCode[] = ["UNAVAILABLE", "INTERNAL", "UNKNOWN", "RESOURCE_EXHAUSTED", "CANCELLED"];

const SLOW_MESSAGE_MS = 4_000;

const WEIGHTS = {
  "connection cut": 15,
  refused: 10,
  "slow network": 8,
  expired: 12,
  restarted: 15,
  "clock set back": 6,
  "socket replaced": 8,
  "ended with OK": 10,
  "list in trouble": 10,
  "list unanswered": 3,
  "watch in trouble": 10,
  "watch ends early": 5,
};

/** What a server that comes back has to fill itself again. */
export interface World {
  readonly server: SimulatedServer;
  readonly time: SimulatedTime;
  readonly prng: Prng;
  /** Of a message while nothing is wrong, in ms. */
  readonly latency: () => number;
  /** Some objects, as a new life of the server has them. */
  refill(): void;
  count(what: string): void;
}

/** Plays one fault by chance; returns for how many milliseconds from now it lasts. */
export function playFault(world: World): number {
  const fault = world.prng.weighted(WEIGHTS);
  world.count(fault);
  return FAULTS[fault](world);
}

const FAULTS: Readonly<Record<keyof typeof WEIGHTS, (world: World) => number>> = {
  "connection cut": ({ server, prng }) => {
    server.cut(prng.pick(CODES));
    return 0;
  },
  refused({ server, time, prng }) {
    // The long ones take the backoff to its maximum.
    const ms = prng.below(prng.chance(30) ? 300_000 : 10_000);
    server.refusingUntilMs = time.monotonicMs() + ms;
    if (prng.chance(80)) server.cut("UNAVAILABLE");
    return ms;
  },
  "slow network"({ server, time, prng, latency }) {
    const ms = prng.below(20_000);
    server.latency = () => prng.below(SLOW_MESSAGE_MS);
    time.setTimer(() => {
      server.latency = latency;
    }, ms);
    // One more slow message may have been sent right before the end.
    return ms + SLOW_MESSAGE_MS;
  },
  expired({ server, prng }) {
    server.expire(prng.chance(50));
    return 0;
  },
  restarted(world) {
    return restart(world);
  },
  "clock set back"(world) {
    world.time.wallOffsetUs -= world.prng.below(3_600_000_000);
    return restart(world);
  },
  "socket replaced"({ server, time, prng }) {
    // The old process lives on for a while with the connections that it has, and has nothing to say.
    const ms = prng.below(20_000);
    server.silence();
    time.setTimer(() => server.cut("UNAVAILABLE"), ms);
    return ms;
  },
  "ended with OK"({ server }) {
    server.endWatches();
    return 0;
  },
  "list in trouble"({ server, prng }) {
    server.troubles.push({ call: "list", what: prng.chance(50) ? "fails" : "breaks", code: prng.pick(CODES) });
    if (prng.chance(70)) server.expire(true);
    return 0;
  },
  "list unanswered"({ server }) {
    server.troubles.push({ call: "list", what: "hangs" });
    server.expire(true);
    // Lasts until the informer gives the call up, see unansweredUntilMs.
    return 0;
  },
  "watch in trouble"({ server, prng }) {
    server.troubles.push({ call: "watch", what: "fails", code: prng.pick([...CODES, "OUT_OF_RANGE"]) });
    if (prng.chance(70)) server.cut("UNAVAILABLE");
    return 0;
  },
  "watch ends early"({ server, prng }) {
    server.troubles.push({ call: "watch", what: "ends", after: prng.below(4) });
    server.cut("UNAVAILABLE");
    return 0;
  },
};

function restart({ server, time, prng, refill }: World): number {
  const ms = prng.below(6_000);
  server.refusingUntilMs = time.monotonicMs() + ms;
  server.restart();
  refill();
  return ms;
}
