import type { FakeNvml } from "../../src/testing/fake-nvml.ts";
import { eventually } from "./eventually.ts";

/** GPUs are shown once they are read, which may be before they are registered for events: from before that are none. */
export function waitsForEvents(fake: Pick<FakeNvml, "calls">): Promise<void> {
  return eventually(() => fake.calls("nvmlEventSetWait_v2") > 0, "events are waited for");
}
