/** For the users' own tests: the entry point `device-api-client/fake`, which generated fakes build on too. */
export { createFake, type Fake, type FakeOptions, type FakeService } from "../fake/fake.ts";
export {
  createFakeClientset,
  createFakeClientsetWith,
  type FakeClientset,
  type FakeClientsetOptions,
} from "../fake/fake-clientset.ts";
export { createFakeConnection, type FakeConnectionOptions } from "../fake/fake-connection.ts";
export { type FakeServer, type FakeServerOptions, startFakeServer } from "../fake/fake-server.ts";
export type { CallContext, Handler, StreamHandler, UnaryHandler } from "../fake/handler.ts";
export {
  type Action,
  NOT_HANDLED,
  type Reaction,
  type ReactionChain,
  type Reactor,
  type ResultOf,
  type Results,
} from "../fake/reactors.ts";
export {
  createTracker,
  type ObjectTracker,
  type TrackedWatchOptions,
  type Tracker,
  type TrackerOptions,
} from "../fake/tracker.ts";
