import type { Message } from "@bufbuild/protobuf";
import { type Clientset, createClientset } from "../clientset.ts";
import { deviceV1alpha1Resources } from "../device/v1alpha1/client.gen.ts";
import { type ClientSystem, processSystem } from "../system.ts";
import { createFake, type Fake } from "./fake.ts";
import { createFakeConnection } from "./fake-connection.ts";
import { FakeProviders } from "./fake-providers.ts";
import { createProviderHandlers } from "./provider-handlers.ts";
import type { ReactionChain } from "./reactors.ts";
import { createTracker, type TrackerOptions } from "./tracker.ts";

/** The same calls as Clientset, answered from memory. */
export interface FakeClientset extends Clientset {
  /** The objects, the reactors and the calls that came; startFakeServer puts the same fake on a socket. */
  readonly fake: Fake;
  /**
   * As if the provider had been silent for longer than its lease: its good conditions turn Unknown, and its next
   * heartbeat is not acknowledged. By itself no lease runs out.
   */
  expireLease(providerId: string): void;
}

export interface FakeClientsetOptions extends TrackerOptions {
  /** What is there at first; of each kind that the clientset knows. Default: nothing. */
  readonly objects?: readonly Message[];
  /** Clock, timers and chance. Default: the process's. */
  readonly system?: ClientSystem;
}

/** A clientset over these objects. Throws TypeError where one is of a kind that the clientset does not know. */
export function createFakeClientset(...objects: readonly Message[]): FakeClientset {
  return createFakeClientsetWith({ objects });
}

export function createFakeClientsetWith(options: FakeClientsetOptions): FakeClientset {
  const { objects = [], system = processSystem } = options;
  const tracker = createTracker(options);
  const providers = new FakeProviders(tracker, system.clock);
  const services = [(chain: ReactionChain) => createProviderHandlers(providers, chain)];
  const fake = createFake({ resources: deviceV1alpha1Resources, tracker, services }, objects);
  const clientset = createClientset(createFakeConnection(fake, system), system);
  return { ...clientset, fake, expireLease: (providerId) => providers.expireLease(providerId) };
}
