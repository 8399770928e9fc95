import { expect, test } from "bun:test";
import { create } from "@bufbuild/protobuf";
import { ForgetProviderResponseSchema } from "../gen/deviceapi/admin/v1alpha1/admin_pb.ts";
import { runCli } from "../testing/cli-run.ts";
import { describeForgotten } from "./provider.ts";

const forgotten = (conditions: number, gpus: number, deletedGpus: readonly string[] = []) =>
  describeForgotten(
    "p",
    create(ForgetProviderResponseSchema, { conditions, gpus, deletedGpus: [...deletedGpus], resourceVersion: 9n }),
  );

test("what went with a provider is counted as people count", () => {
  expect(forgotten(12, 1)).toBe("provider p is forgotten, with 12 conditions on 1 GPU (version 9)\n");
  expect(forgotten(1, 2)).toBe("provider p is forgotten, with 1 condition on 2 GPUs (version 9)\n");
  expect(forgotten(0, 1, ["a\nb"]).split("\n")[1]).toBe("a\\nb is deleted: nobody else has registered it");
});

test.each([
  [["provider", "list", "--force"], "provider list: it takes no --force"],
  [["provider", "list", "--reason=x"], "provider list: it takes no --reason"],
  [["provider", "forget", "p", "-o", "json"], "provider forget: it takes no --output"],
  [["provider", "forget"], "provider forget: the id is missing"],
  [["provider", "list", "p"], 'provider list: unexpected argument "p"'],
  [["provider", "drop", "p"], 'provider: say "list" or "forget ID", not "drop"'],
])("%j is a mistake, and asks no server", async (args, text) => {
  const { status, out, err } = await runCli([...args, "--target=/none.sock"]);
  expect([status, out]).toEqual([2, ""]);
  expect(err).toContain(text);
});
