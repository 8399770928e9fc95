import { describe, expect, test } from "bun:test";
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type Gpu, GpuSchema } from "../../gen/device/v1alpha1/gpu_pb.ts";
import { type Event, EventSchema } from "../../gen/deviceapi/admin/v1alpha1/admin_pb.ts";
import { gpuReply, NOW_S } from "../../testing/cli-replies.ts";
import { COLOURED, PLAIN } from "./paint.ts";
import { renderStatus, type StatusModel, statusScreen } from "./status-text.ts";

const CONTEXT = { nowMs: NOW_S * 1_000, paint: PLAIN };

const gpus = (count: number, bad: readonly number[] = []): readonly Gpu[] =>
  Array.from({ length: count }, (_, i) => create(GpuSchema, gpuReply(`gpu-${i}`, bad.includes(i) ? "False" : "True")));

const change = (gpu: string, secondsAgo: number, by = ""): Event =>
  create(EventSchema, {
    gpu,
    type: "MODIFIED",
    time: timestampFromMs((NOW_S - secondsAgo) * 1_000),
    changes: [
      { type: "Ready", previousStatus: "True", status: "False", reason: "XidError" },
      { type: "NVMLReady", previousStatus: "True", status: "False", reason: "XidError" },
    ],
    by,
  });

const model = (rest: Partial<StatusModel>): StatusModel => ({
  target: "unix:///s.sock",
  gpus: gpus(3, [1]),
  events: [change("gpu-1", 5)],
  trouble: "",
  ...rest,
});

describe("the status", () => {
  test("counts, shows what is bad first, and what changed last", () => {
    const events = [change("gpu-1", 5), change("gpu-2", 130, "ClearFaults by uid 0: seen")];
    expect(
      renderStatus(model({ gpus: gpus(11, [10]), events }), CONTEXT)
        .split("\n")
        .slice(0, 6),
    ).toEqual([
      "unix:///s.sock  2026-09-21T14:13:20Z",
      "11 GPUs: 10 ready, 1 not ready, 0 unknown",
      "",
      "NAME    READY  REASON    ACTION      AGE",
      "gpu-10  False  XidError  RESTART_BM  90s",
      "gpu-0   True   Fine      NONE        90s",
    ]);
    expect(renderStatus(model({ events }), CONTEXT).split("\n").slice(-4)).toEqual([
      "AGE    CHANGED  WHAT",
      "5s     gpu-1    Ready True -> False (XidError), and 1 more",
      "2m10s  gpu-2    Ready True -> False (XidError), by an operator: ClearFaults by uid 0: seen",
      "",
    ]);
  });

  test("of an empty server says so", () => {
    expect(renderStatus(model({ gpus: [], events: [] }), CONTEXT).split("\n")).toEqual([
      "unix:///s.sock  2026-09-21T14:13:20Z",
      "0 GPUs: 0 ready, 0 not ready, 0 unknown",
      "",
      "no provider has registered a GPU",
      "",
    ]);
  });

  test("says what is wrong, where something is", () => {
    const [, , third] = renderStatus(model({ trouble: "the server is gone\u001b[2J" }), CONTEXT).split("\n");
    expect(third).toBe("the server is gone\\u001b[2J");
  });

  test("colours a count that is not zero alone", () => {
    const [, line] = renderStatus(model({ gpus: gpus(1) }), { ...CONTEXT, paint: COLOURED }).split("\n");
    expect(line).toBe("1 GPU: \u001b[32m1 ready\u001b[0m, 0 not ready, 0 unknown");
  });
});

describe("the screen", () => {
  const many = model({ gpus: gpus(64, [40]), events: Array.from({ length: 30 }, (_, i) => change(`gpu-${i}`, i)) });

  test.each([
    [80, 24],
    [80, 100],
    [120, 12],
    [20, 6],
    [1, 1],
    [300, 400],
  ])("of %d by %d is never left", (columns, rows) => {
    for (const paint of [PLAIN, COLOURED]) {
      const lines = statusScreen(many, { ...CONTEXT, paint }, { columns, rows });
      expect(lines.length).toBeLessThanOrEqual(rows);
      expect(Math.max(...lines.map((line) => Bun.stringWidth(line)))).toBeLessThanOrEqual(columns);
    }
  });

  test("with too many GPUs shows the bad one, says how many are left out, and keeps room for what changed", () => {
    const lines = statusScreen(many, CONTEXT, { columns: 80, rows: 24 });
    expect(lines.length).toBe(24);
    expect(lines[4]).toStartWith("gpu-40  False");
    const note = lines.findIndex((line) => line.startsWith("… and "));
    const shown = note - 4;
    expect(lines[note]).toBe(`… and ${64 - shown} more`);
    expect(lines.slice(note + 1)).toEqual([
      "",
      "AGE  CHANGED  WHAT",
      "0s   gpu-0    Ready True -> False (XidError), and 1 more",
      "1s   gpu-1    Ready True -> False (XidError), and 1 more",
      "…",
    ]);
  });

  const gpuRows = (lines: readonly string[]) => lines.filter((line) => /^gpu-\d+ /.test(line));
  const statuses = (lines: readonly string[]) => gpuRows(lines).map((line) => line.split(/ +/)[1]);

  test("of nine rows has the bad GPU, and what changed last", () => {
    expect(statusScreen(many, CONTEXT, { columns: 80, rows: 9 })).toEqual([
      "unix:///s.sock  2026-09-21T14:13:20Z",
      "64 GPUs: 63 ready, 1 not ready, 0 unknown",
      "",
      "NAME    READY  REASON    ACTION      AGE",
      "gpu-40  False  XidError  RESTART_BM  90s",
      "… and 63 more",
      "",
      "AGE  CHANGED  WHAT",
      "0s   gpu-0    Ready True -> False (XidError), and 1 more",
    ]);
  });

  test.each([
    [2, ["64", "gpu-40"]],
    [3, ["64", "NAME", "gpu-40"]],
    [4, ["unix:///s.sock", "64", "NAME", "gpu-40"]],
    [5, ["unix:///s.sock", "64", "", "NAME", "gpu-40"]],
    [6, ["unix:///s.sock", "64", "", "NAME", "gpu-40", "…"]],
  ])("of %d rows has the bad GPU", (rows, starts) => {
    const lines = statusScreen(many, CONTEXT, { columns: 80, rows });
    expect(lines.map((line) => line.split(" ")[0])).toEqual(starts);
  });

  test("shows all that is not Ready before anything that changed", () => {
    const bad = { ...many, gpus: gpus(64, [3, 7, 9, 40, 41, 42, 60, 61]) };
    for (const rows of [13, 14, 15, 24]) {
      const shown = statuses(statusScreen(bad, CONTEXT, { columns: 80, rows }));
      expect([rows, shown.filter((status) => status === "False").length]).toEqual([rows, 8]);
    }
    expect(statuses(statusScreen(bad, CONTEXT, { columns: 80, rows: 9 }))).toEqual(Array(4).fill("False"));
  });

  test("that is narrow tells first how many are not Ready", () => {
    const [, counts] = statusScreen(many, CONTEXT, { columns: 20, rows: 10 });
    expect(counts).toBe("1 not ready, 63 read");
    const unknown = statusScreen({ ...many, gpus: gpus(3) }, CONTEXT, { columns: 10, rows: 1 });
    expect(unknown).toEqual(["3 ready"]);
    expect(statusScreen({ ...many, gpus: [] }, CONTEXT, { columns: 6, rows: 1 })).toEqual(["0 GPUs"]);
  });

  test("says what is wrong also in three rows", () => {
    const lines = statusScreen({ ...many, trouble: "OLD" }, CONTEXT, { columns: 80, rows: 3 });
    expect(lines.map((line) => line.split(" ")[0])).toEqual(["64", "OLD", "gpu-40"]);
  });

  test("with room to spare shows all, and all changes that fit", () => {
    const lines = statusScreen(many, CONTEXT, { columns: 80, rows: 90 });
    expect(lines.filter((line) => /^gpu-\d+ /.test(line)).length).toBe(64);
    expect(lines.length).toBe(90);
    const small = model({});
    const whole = statusScreen(small, CONTEXT, { columns: 80, rows: 90 });
    expect(`${whole.join("\n")}\n`).toBe(renderStatus(small, CONTEXT));
  });

  test("of a server without changes has no empty heading", () => {
    const lines = statusScreen(model({ events: [] }), CONTEXT, { columns: 80, rows: 24 });
    expect(lines.at(-1)).toStartWith("gpu-2");
  });
});
