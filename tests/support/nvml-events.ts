import type { FakeNvml } from "../../src/testing/fake-nvml.ts";
import { eventually } from "./eventually.ts";

/**
 * GPUs are shown once they are read, which may be before they are registered for events: from before that are none.
 * `after` is how many waits there were, of host processes that are gone.
 */
export function waitsForEvents(fake: Pick<FakeNvml, "calls">, after = 0): Promise<void> {
  return eventually(() => fake.calls("nvmlEventSetWait_v2") > after, "events are waited for");
}
