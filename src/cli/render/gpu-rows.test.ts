import { expect, test } from "bun:test";
import { create } from "@bufbuild/protobuf";
import { GpuSchema } from "../../gen/device/v1alpha1/gpu_pb.ts";
import { gpuHeadings, gpuRow, type RowContext } from "./gpu-rows.ts";
import { COLOURED, PLAIN } from "./paint.ts";

const NOW_MS = 1_790_000_000_000;
const CONTEXT: RowContext = { nowMs: NOW_MS, paint: PLAIN, wide: false };

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
  expect(gpuRow(gpu("AllGood"), CONTEXT)).toEqual(["gpu-0", "True", "AllGood", "NONE", "100s"]);
});

test("a GPU that nobody reported on is unknown", () => {
  expect(gpuRow(create(GpuSchema, { metadata: { name: "gpu-1" } }), CONTEXT)).toEqual([
    ...["gpu-1", "Unknown", "NoReport", "-", "-"],
  ]);
});

test("hostile text neither breaks nor colours the table, nor widens it without end", () => {
  const reason = gpuRow(gpu(`\u001b[31m\n${"x".repeat(1_000)}`), CONTEXT)[2] ?? "";
  expect(reason).toStartWith("\\u001b[31m\\nxxx");
  expect(reason.length).toBeLessThan(100);
});

test("the wide row has identity, version and the whole sentence", () => {
  const full = create(GpuSchema, {
    metadata: { name: "gpu-0", resourceVersion: "7" },
    spec: { uuid: "GPU-0" },
    status: { conditions: [{ type: "Ready", status: "False", reason: "Dbe", message: "m".repeat(150) }] },
  });
  const wide = { ...CONTEXT, wide: true };
  expect(gpuRow(full, wide)).toEqual(["gpu-0", "False", "Dbe", "-", "-", "GPU-0", "7", "m".repeat(150)]);
  expect(gpuHeadings(true).length).toBe(gpuRow(full, wide).length);
  expect(gpuHeadings(false).length).toBe(gpuRow(full, CONTEXT).length);
});

test("Ready alone has a colour: green, red, or yellow where nobody knows", () => {
  const row = (status: string) =>
    gpuRow(create(GpuSchema, { status: { conditions: [{ type: "Ready", status, reason: "R" }] } }), {
      ...CONTEXT,
      paint: COLOURED,
    });
  expect(row("True")).toEqual(["-", "\u001b[32mTrue\u001b[0m", "R", "-", "-"]);
  expect(row("False")[1]).toBe("\u001b[31mFalse\u001b[0m");
  expect(row("Unknown")[1]).toBe("\u001b[33mUnknown\u001b[0m");
});
