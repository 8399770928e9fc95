import { expect, test } from "bun:test";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { DeviceV1alpha1 } from "../../src/client/clientset.ts";
import { ApiError } from "../../src/client/errors.ts";
import { createFakeClientset } from "../../src/client/fake/fake-clientset.ts";
import type { ConditionSchema } from "../../src/gen/device/v1alpha1/gpu_pb.ts";
import { Prng } from "../../src/testing/prng.ts";
import { runSettings } from "../../src/testing/run-settings.ts";
import { startTestServer } from "../support/test-server.ts";
import { dial } from "./backends.ts";
import { type Observer, observe } from "./observe.ts";

/** Any history of calls is answered by the fake as by the server, and shows in lists and watches alike. */

const HISTORIES = 25;
const CALLS = 25;

type Call = (device: DeviceV1alpha1) => Promise<unknown>;
type ConditionInit = MessageInitShape<typeof ConditionSchema>;

const PROVIDERS = ["p", "q", ""];
const NAMES = ["gpu-1", "GPU-1", "gpu-10", "gpu-2"];
const TYPES = ["Memory", "Link", "BusError", "PowerHealthy", "Ready"];
const STATUSES = ["True", "False", "Unknown"];
const ACTIONS = ["", "NONE", "RESTART_VM", "REPLACE_VM", "LOOK_AT_IT"];

function anyCondition(prng: Prng): ConditionInit {
  const told = { lastTransitionTime: { seconds: BigInt(1.5e9 + prng.below(1e8)), nanos: prng.below(1e9) } };
  return {
    type: prng.pick(TYPES),
    status: prng.pick(STATUSES),
    reason: prng.pick(["", "x", "y"]),
    ...(prng.chance(70) ? told : {}),
  };
}

function anyStatus(prng: Prng) {
  const conditions = Array.from({ length: prng.below(4) }, () => anyCondition(prng));
  return { conditions, recommendedAction: prng.pick(ACTIONS) };
}

function anyCall(prng: Prng): { readonly shown: string; readonly call: Call } {
  const [provider, name] = [prng.pick(PROVIDERS), prng.pick(NAMES)];
  const spec = { uuid: prng.pick(["", "GPU-a", "gpu-A", "GPU-b"]) };
  const status = anyStatus(prng);
  const condition = anyCondition(prng);
  const kind = prng.weighted({
    register: 3,
    initial: 2,
    unregister: 1,
    updateStatus: 4,
    updateCondition: 6,
    heartbeat: 1,
  });
  const calls: Readonly<Record<typeof kind, Call>> = {
    register: (device) => device.providers(provider).register(name, { spec }),
    initial: (device) => device.providers(provider).register(name, { spec, initialStatus: status }),
    unregister: (device) => device.providers(provider).unregister(name),
    updateStatus: (device) => device.providers(provider).updateStatus(name, status),
    updateCondition: (device) => device.providers(provider).updateCondition(name, condition),
    heartbeat: (device) => device.providers(provider).heartbeat([name]),
  };
  return { shown: `${kind} ${provider} ${name}`, call: calls[kind] };
}

/** The answer and the list after it. */
async function answer(observer: Observer, call: Call): Promise<readonly unknown[]> {
  const { device, show } = observer;
  const reply = await call(device).then(
    (message) => {
      const { $typeName, resourceVersion, ...rest } = message as { $typeName: string; resourceVersion?: bigint };
      return { ...rest, $typeName, version: resourceVersion === undefined ? 0 : show.version(resourceVersion) };
    },
    (error) => (error instanceof ApiError ? `${error.code}: ${error.details}` : String(error)),
  );
  const { items, resourceVersion } = await device.gpus().list();
  return [reply, ...items.map(show.gpu), show.version(resourceVersion)];
}

test("any history of calls is answered by the fake as by the server", async () => {
  const { seed, scale } = runSettings(Bun.env);
  for (let history = 0; history < HISTORIES * scale; history++) {
    const prng = new Prng(seed + history);
    const server = await startTestServer();
    await using backend = dial(server.unixTarget, () => server.stop());
    const observers = [await observe(backend.clientset), await observe(createFakeClientset())] as const;
    const played: string[] = [];
    let changes = 0;
    for (let i = 0; i < CALLS; i++) {
      const { shown, call } = anyCall(prng);
      played.push(shown);
      const [wanted, found] = [await answer(observers[0], call), await answer(observers[1], call)];
      expect({ seed: seed + history, played, answer: found }).toEqual({ seed: seed + history, played, answer: wanted });
      changes = Number(wanted.at(-1));
    }
    const [wanted, found] = await Promise.all(
      observers.map((observer) => observer.events(changes, { resourceVersion: observer.versionAt(0) })),
    );
    expect({ seed: seed + history, events: found }).toEqual({ seed: seed + history, events: wanted });
  }
});
