import { expect, test } from "bun:test";
import { create } from "@bufbuild/protobuf";
import { GpuSchema } from "../gen/device/v1alpha1/gpu_pb.ts";
import { formatAge, gpuRow, renderTable } from "./gpu-table.ts";

const NOW_MS = 1_790_000_000_000;

const gpu = (reason: string) =>
  create(GpuSchema, {
    metadata: { name: "gpu-0" },
    status: {
      conditions: [
        { type: "MemoryHealthy", status: "False" },
        { type: "Ready", status: "True", reason, lastTransitionTime: { seconds: 1_789_999_900n } },
      ],
      recommendedAction: "NONE",
    },
  });

test("a row shows Ready, not another condition", () => {
  expect(gpuRow(gpu("AllGood"), NOW_MS)).toEqual(["gpu-0", "True", "AllGood", "NONE", "1m40s"]);
});

test("a GPU that nobody reported on is unknown", () => {
  expect(gpuRow(create(GpuSchema, { metadata: { name: "gpu-1" } }), NOW_MS)).toEqual([
    ...["gpu-1", "Unknown", "NoReport", "-", "-"],
  ]);
});

test("hostile text neither breaks nor colours the table, nor widens it without end", () => {
  const reason = gpuRow(gpu(`\u001b[31m\n${"x".repeat(1_000)}`), NOW_MS)[2] ?? "";
  expect(reason).toStartWith("\\u001b[31m\\nxxx");
  expect(reason.length).toBeLessThan(100);
});

test("columns line up, and lines have no spaces at their end", () => {
  expect(
    renderTable([
      ["NAME", "READY"],
      ["a-long-name", "True"],
      ["b", ""],
    ]),
  ).toBe("NAME         READY\na-long-name  True\nb\n");
});

test.each([
  [-5_000, "0s"],
  [0, "0s"],
  [59_999, "59s"],
  [200_000, "3m20s"],
  [3_600_000, "1h0m"],
  [172_799_999, "47h59m"],
  [356_400_000, "4d3h"],
])("an age of %p ms is written %s", (ms, text) => {
  expect(formatAge(ms)).toBe(text);
});
