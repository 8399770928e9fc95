import { strict as assert } from "node:assert";
import { FAKE_BACKENDS } from "./backends.ts";
import { observe } from "./observe.ts";
import { PROVIDER_CASES } from "./provider-cases.ts";
import { READ_CASES } from "./read-cases.ts";

/** Every case against every fake, on Node: bundled by the test that runs it; prints one line of JSON for each. */

for (const [backendName, start] of Object.entries(FAKE_BACKENDS)) {
  for (const [caseName, { run, expected }] of Object.entries({ ...READ_CASES, ...PROVIDER_CASES })) {
    let problem: string | undefined;
    try {
      await using backend = await start();
      assert.deepEqual(await run(await observe(backend.clientset)), expected);
    } catch (error) {
      problem = String(error);
    }
    console.log(JSON.stringify({ name: `${backendName}: ${caseName}`, problem }));
  }
}
