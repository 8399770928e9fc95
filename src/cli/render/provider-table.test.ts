import { expect, test } from "bun:test";
import { create } from "@bufbuild/protobuf";
import { durationFromMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { LeaseState, ProviderSchema } from "../../gen/deviceapi/admin/v1alpha1/admin_pb.ts";
import { renderProviders } from "./provider-table.ts";

const NOW_MS = 1_790_000_000_000;

test("a table of providers tells the lease that is left, and how long ago each was heard", () => {
  const counts = { gpus: 8, conditions: 16, badConditions: 1 };
  const providers = [
    { id: "nvml-provider", builtIn: true, lease: LeaseState.NONE, lastWrite: timestampFromMs(NOW_MS), ...counts },
    {
      id: "monitor",
      owner: "uid:1000",
      lease: LeaseState.HELD,
      leaseRemaining: durationFromMs(29_900),
      lastHeartbeat: timestampFromMs(NOW_MS - 100),
      lastWrite: timestampFromMs(NOW_MS - 3_600_000),
    },
    { id: "\u001b[31mred", owner: "tcp", lease: LeaseState.LOST, lastHeartbeat: timestampFromMs(NOW_MS - 90_000) },
  ].map((init) => create(ProviderSchema, init));
  expect(renderProviders(providers, NOW_MS)).toBe(
    [
      "ID             KIND      OWNER     LEASE     HEARTBEAT  WRITE  GPUS  CONDITIONS  BAD",
      "nvml-provider  built-in  -         none      -          0s     8     16          1",
      "monitor        external  uid:1000  held 29s  0s         60m    0     0           0",
      "\\u001b[31mred  external  tcp       lost      90s        -      0     0           0",
      "",
    ].join("\n"),
  );
  expect(renderProviders([], NOW_MS)).toBe("no providers\n");
});
