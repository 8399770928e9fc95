import { expect, test } from "bun:test";
import { NvmlServer } from "../support/nvml-server.ts";

/** Of process-launcher.ts. */
const PIECES_PER_MINUTE = 30;

test("a library that prints when it is loaded and in each call harms nothing, and is heard up to a limit", async () => {
  await using server = await NvmlServer.start({ gpus: 2, prepare: ["set talk=stdout,stderr"] });
  await server.withOneFault();
  const said = () => server.logged("the NVML host process says").map(({ text }) => String(text));
  await server.until(() => said().length === PIECES_PER_MINUTE, "what the library says is logged");
  const text = said().join("\n");
  expect(text.match(/^libnvidia-ml.so.1 is loaded$/gm)).toHaveLength(2);
  // Each call is a word; it goes on well beyond the limit.
  const calls = server.fake.calls("nvmlEventSetWait_v2");
  await server.until(() => server.fake.calls("nvmlEventSetWait_v2") > calls + 4, "it says more");
  const [host = 0] = server.hosts();
  process.kill(host, "SIGKILL");
  const more = () => server.logged("the NVML host process said more than is logged");
  await server.until(() => more().length > 0, "the rest is counted");
  expect(Number(more()[0]?.["leftOut"])).toBeGreaterThan(0);
  expect(said().length).toBe(PIECES_PER_MINUTE);
  expect(server.bystander.failures).toEqual([]);
});
