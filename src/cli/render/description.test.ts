import { describe, expect, test } from "bun:test";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  DescribeGpuResponseSchema,
  EventSchema,
  LeaseState,
  Verdict,
} from "../../gen/deviceapi/admin/v1alpha1/admin_pb.ts";
import { NOW_S } from "../../testing/cli-replies.ts";
import { type DescriptionContext, renderDescription } from "./description.ts";
import { COLOURED, PLAIN } from "./paint.ts";

const ago = (seconds: number) => timestampFromMs((NOW_S - seconds) * 1_000);
const CONTEXT: DescriptionContext = { nowMs: NOW_S * 1_000, paint: PLAIN, columns: undefined };

const condition = (type: string, status: string, seconds: number, reason = "", message = "") => ({
  type,
  status,
  reason,
  message,
  lastTransitionTime: ago(seconds),
});
const XID = condition(
  "NVMLReady",
  "False",
  200,
  "XidError",
  "Xid 79 (OFF_THE_BUS): GPU has fallen off the bus; see Xid 154",
);
const FAULT = condition("XidError", "True", 30, "Ecc", "two bits");
const HOT = condition("ThermalHealthy", "False", 40, "Hot", "89 C");

/** A GPU that is broken in the eyes of one provider, well in those of another, and of which a third is silent. */
const BROKEN: MessageInitShape<typeof DescribeGpuResponseSchema> = {
  gpu: {
    metadata: { name: "gpu-0", resourceVersion: "1795470811579009" },
    spec: { uuid: "GPU-0" },
    status: {
      conditions: [{ ...XID, type: "Ready" }, XID, HOT, FAULT],
      recommendedAction: "RESTART_BM",
    },
  },
  providers: [
    {
      provider: {
        id: "nvml-provider",
        builtIn: true,
        lease: LeaseState.NONE,
        lastWrite: ago(2),
        conditions: 2,
        badConditions: 2,
      },
      registered: true,
      conditions: [
        { condition: XID, verdict: Verdict.BAD, shown: true },
        { condition: HOT, verdict: Verdict.BAD, shown: true, advisory: true },
      ],
      recommendedAction: "RESTART_BM",
    },
    {
      provider: {
        id: "monitor",
        owner: "uid:1000",
        lease: LeaseState.HELD,
        leaseRemaining: durationFromMs(29_900),
        lastHeartbeat: ago(0),
        lastWrite: ago(3_600 * 5),
        conditions: 2,
        badConditions: 1,
      },
      conditions: [
        { condition: condition("NVMLReady", "True", 500, "Fine"), verdict: Verdict.GOOD },
        { condition: FAULT, verdict: Verdict.BAD, shown: true },
      ],
    },
  ],
  actions: [
    { time: ago(300), uid: 0, method: "ClearFaults", target: "gpu-0", reason: "", outcome: "nothing to clear" },
    {
      time: ago(100),
      uid: 1000,
      method: "ClearFaults",
      target: "gpu-0",
      reason: "seated anew",
      outcome: "cleared NVMLReady",
    },
  ],
};
const EVENTS = [
  {
    type: "MODIFIED",
    time: ago(200),
    changes: [{ type: "Ready", previousStatus: "True", status: "False", reason: "XidError" }],
    previousAction: "",
    recommendedAction: "RESTART_BM",
  },
  { type: "ADDED", time: ago(86_400 * 3) },
];

const render = (
  reply: MessageInitShape<typeof DescribeGpuResponseSchema>,
  events: readonly MessageInitShape<typeof EventSchema>[] = [],
  context: Partial<DescriptionContext> = {},
) =>
  renderDescription(
    create(DescribeGpuResponseSchema, reply),
    events.map((event) => create(EventSchema, event)),
    { ...CONTEXT, ...context },
  );

describe("the description of a GPU", () => {
  test("has conditions with age, reason and message, who reports them, what operators did, and what happened", () => {
    expect(render(BROKEN, EVENTS)).toBe(`Name:     gpu-0
UUID:     GPU-0
Ready:    False for 3m20s, XidError
Version:  1795470811579009
Advice:   RESTART_BM: drain the node and restart the machine
See:      device-api-server explain 79 154

Conditions:
  TYPE            STATUS  AGE    REASON    COUNTS  PROVIDER
  Ready           False   3m20s  XidError  -       -
  NVMLReady       False   3m20s  XidError  yes     nvml-provider
      Xid 79 (OFF_THE_BUS): GPU has fallen off the bus; see Xid 154
  ThermalHealthy  False   40s    Hot       no      nvml-provider
      89 C
  XidError        True    30s    Ecc       yes     monitor
      two bits

Hidden by another report of the same type:
  TYPE       STATUS  AGE    REASON  PROVIDER
  NVMLReady  True    8m20s  Fine    monitor

Providers:
  ID             OWNER     LEASE     HEARTBEAT  WRITE  REGISTERED  CONDITIONS  BAD  ADVICE
  nvml-provider  built-in  none      -          2s     yes         2           2    RESTART_BM
  monitor        uid:1000  held 29s  0s         5h     no          2           1    -

Operators:
  AGE   WHO       ASKED FOR    REASON       OUTCOME
  100s  uid 1000  ClearFaults  seated anew  cleared NVMLReady
  5m    uid 0     ClearFaults  -            nothing to clear

Events:
  AGE    EVENT     CHANGE
  3m20s  MODIFIED  Ready True -> False (XidError)
                   advice RESTART_BM
  3d     ADDED     nothing is reported yet
`);
  });

  test("that nobody has reported on is its name, and who registered it", () => {
    const registered = [{ provider: { id: "a", owner: "tcp", lease: LeaseState.LOST }, registered: true }];
    expect(render({ gpu: { metadata: { name: "gpu-0" } }, providers: registered })).toBe(`Name:     gpu-0
UUID:     -
Ready:    Unknown: nobody has reported yet
Version:  -

Providers:
  ID  OWNER  LEASE  HEARTBEAT  WRITE  REGISTERED  CONDITIONS  BAD  ADVICE
  a   tcp    lost   -          -      yes         0           0    -
`);
  });

  test("has an operator's long words whole, below what the columns have room for", () => {
    const reason = `${"word ".repeat(100)}\u001b[2Jend`;
    const outcome = "cleared ".repeat(20).trim();
    const actions = [{ time: ago(5), uid: 0, method: "ClearFaults", target: "gpu-0", reason, outcome }];
    const lines = render({ gpu: { metadata: { name: "gpu-0" } }, actions }).split("\n");
    const row = lines.findIndex((line) => line.includes("ClearFaults"));
    expect(lines[row]).toContain("… (of ");
    expect(lines.slice(row + 1)).toEqual([`      ${"word ".repeat(100)}\\u001b[2Jend`, `      ${outcome}`, ""]);
    const narrow = render({ gpu: { metadata: { name: "gpu-0" } }, actions }, [], { columns: 60 });
    expect(narrow.split("ClearFaults")[1]?.replaceAll(/\s+/g, " ")).toContain(
      `${"word ".repeat(100)}\\u001b[2Jend ${outcome}`,
    );
  });

  test("folds messages to the width of a terminal, and shows hostile text as text", () => {
    const message = `${"word ".repeat(60)}\u001b[2J${"x".repeat(200)}`;
    const gpu = {
      metadata: { name: "gpu-0" },
      status: { conditions: [condition("A", "True", 1, "r\u0007", message)] },
    };
    const lines = render({ gpu }, [], { columns: 60 }).split("\n");
    expect(Math.max(...lines.map(({ length }) => length))).toBeLessThanOrEqual(60);
    expect(lines.join("").replaceAll(" ", "")).toContain(`word\\u001b[2J${"x".repeat(200)}`);
    expect(render({ gpu })).toContain(`      ${"word ".repeat(60)}\\u001b[2J${"x".repeat(200)}\n`);
    expect(render({ gpu })).toContain("r\\u0007");
  });

  test("colours a status by what it means, whether True is good for its type or bad", () => {
    const text = render(BROKEN, [], { paint: COLOURED });
    const statuses = text
      .replaceAll("\u001b", "^")
      .split("\n")
      .flatMap((line) => {
        const match = /^ {2}(\w+) +\^\[(\d+)m(True|False)\^/.exec(line);
        return match === null ? [] : [match.slice(1).join(" ")];
      });
    expect(statuses).toEqual([
      "Ready 31 False",
      "NVMLReady 31 False",
      "ThermalHealthy 31 False",
      "XidError 31 True",
      "NVMLReady 32 True",
    ]);
    expect(Bun.stripANSI(text)).toBe(render(BROKEN));
  });
});
