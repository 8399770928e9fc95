import { type Clock, type Scheduler, systemClock, systemScheduler } from "../base/clock.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

/** What this package takes from the world around it; a parameter wherever it is used, so that tests can play time. */
export interface ClientSystem {
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  /** In [0, 1). */
  random(): number;
  readonly env: Environment;
}

/** The running process. The one place in this package that reads it. */
export const processSystem: ClientSystem = {
  clock: systemClock,
  scheduler: systemScheduler,
  random: Math.random,
  env: process.env,
};
