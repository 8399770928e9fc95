import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { condense, healthOf, type Moment, type VisibleStatus } from "./aggregate.ts";
import { ConditionReader, DEFAULT_RULES, VERDICT_RANK } from "./condition-rules.ts";
import { compareInstants } from "./instants.ts";
import type { ConditionStatus, GpuFacts, Instant, Report } from "./types.ts";

const reader = new ConditionReader(DEFAULT_RULES);
const NOTHING: VisibleStatus = { conditions: [], action: "" };
const at = (transaction: number, seconds = transaction): Moment => ({ transaction, now: time(seconds) });
const time = (seconds: number): Instant => ({ seconds: BigInt(1_790_000_000 + seconds), nanos: 0 });

function report(type: string, status: ConditionStatus, movedIn = 1, reason = "", seconds = movedIn): Report {
  return { type, status, reason, message: "", since: time(seconds), movedIn };
}

/** One provider for each list of reports; its action, if any, stands first. */
function facts(...providers: readonly (readonly (Report | string)[])[]): GpuFacts {
  const reports = providers.map((said, i) => {
    const conditions = said.filter((one): one is Report => typeof one !== "string");
    const action = said.find((one) => typeof one === "string") ?? "";
    return [`p${i}`, { conditions: new Map(conditions.map((one) => [one.type, one])), action }] as const;
  });
  return { name: "gpu-0", uuid: "", registrations: ["p0"], reports: new Map(reports) };
}

const show = (of: GpuFacts, before = NOTHING, moment = at(1)) => condense(of, before, reader, moment);
const lines = (status: VisibleStatus) => status.conditions.map(({ type, status }) => `${type}=${status}`);
const readyOf = (status: VisibleStatus) => status.conditions[0];

describe("Ready", () => {
  // What is reported, and the verdict. XidError counts inverted; PowerHealthy is advisory.
  test.each([
    ["A=True", "True"],
    ["A=Unknown", "Unknown"],
    ["A=False", "False"],
    ["A=True B=Unknown", "Unknown"],
    ["A=True B=False", "False"],
    ["A=Unknown B=False", "False"],
    ["A=True B=Unknown C=False", "False"],
    ["XidError=True", "False"],
    ["XidError=False", "True"],
    ["XidError=Unknown", "Unknown"],
    ["XidError=True A=True", "False"],
    ["XidError=False A=False", "False"],
    ["XidError=False A=Unknown", "Unknown"],
    ["PowerHealthy=False", "True"],
    ["PowerHealthy=Unknown", "True"],
    ["PowerHealthy=False A=True", "True"],
    ["PowerHealthy=False A=Unknown", "Unknown"],
    ["PowerHealthy=True A=False", "False"],
    ["Ready=True", "True"],
    ["Ready=False", "False"],
    ["Ready=Unknown", "Unknown"],
    ["Ready=True A=False", "False"],
    ["Ready=False A=True", "False"],
    ["Ready=True A=Unknown", "Unknown"],
    ["Ready=Unknown A=True", "Unknown"],
    ["Ready=True PowerHealthy=False", "True"],
  ])("over %s is %s", (reported, ready) => {
    const said = reported.split(" ").map((line) => line.split("=") as [string, ConditionStatus]);
    const shown = show(facts(said.map(([type, status]) => report(type, status))));
    const others = said.filter(([type]) => type !== "Ready").map(([type, status]) => `${type}=${status}`);
    expect(lines(shown)).toEqual([`Ready=${ready}`, ...others.sort()]);
    // And the same where each report comes from a provider of its own.
    expect(lines(show(facts(...said.map(([type, status]) => [report(type, status)]))))).toEqual(lines(shown));
    expect(healthOf(shown)).toBe(ready === "True" ? "healthy" : ready === "False" ? "unhealthy" : "unknown");
  });

  test("is not there for a GPU without any report, which counts as unknown", () => {
    const shown = show(facts([], []));
    expect(shown).toEqual(NOTHING);
    expect(healthOf(shown)).toBe("unknown");
  });

  test("says why in the words of the worst report, the newest among equals", () => {
    const of = facts(
      [report("A", "True", 9, "fine"), report("B", "False", 3, "older")],
      [report("C", "False", 4, "newer"), report("PowerHealthy", "False", 8, "advisory")],
    );
    expect(readyOf(show(of))).toMatchObject({ status: "False", reason: "newer" });
  });

  test("says so where only advisory conditions were reported", () => {
    expect(readyOf(show(facts([report("PowerHealthy", "False")])))).toMatchObject({ reason: "AdvisoryOnly" });
  });
});

describe("a type that several providers report", () => {
  test.each(["A", "XidError"])("is shown as the worst of them: %s", (type) => {
    const statuses: ConditionStatus[] = ["True", "False", "Unknown"];
    for (const a of statuses) {
      for (const b of statuses) {
        const rank = (status: ConditionStatus) => VERDICT_RANK[reader.verdict(type, status)];
        const worst = rank(a) >= rank(b) ? a : b;
        expect(lines(show(facts([report(type, a, 1)], [report(type, b, 2)])))[1]).toBe(`${type}=${worst}`);
        expect(lines(show(facts([report(type, a, 2)], [report(type, b, 1)])))[1]).toBe(`${type}=${worst}`);
      }
    }
  });

  test("is shown as the one that moved last among equals, by transactions and not by clocks", () => {
    const older = report("A", "False", 5, "older", 99);
    const newer = report("A", "False", 6, "newer", 1);
    for (const of of [facts([older], [newer]), facts([newer], [older])]) {
      expect(show(of).conditions[1]?.reason).toBe("newer");
    }
  });

  test("is shown as the one that stands first among those that moved in one transaction", () => {
    const of = facts([report("A", "False", 5, "first")], [report("A", "False", 5, "second")]);
    expect(show(of).conditions.map(({ reason }) => reason)).toEqual(["first", "first"]);
  });

  test("keeps its place: Ready first, the others by type", () => {
    const of = facts([report("b", "True"), report("a", "True"), report("B", "True")], [report("Ready", "True")]);
    expect(lines(show(of))).toEqual(["Ready=True", "B=True", "a=True", "b=True"]);
  });

  test("may have a name that every object knows", () => {
    const of = facts([report("__proto__", "True"), report("constructor", "False"), report("toString", "True")]);
    expect(lines(show(of))).toEqual(["Ready=False", "__proto__=True", "constructor=False", "toString=True"]);
  });
});

describe("the time of a visible condition", () => {
  test("is the report's where that moved now, and stays through a refresh", () => {
    const first = show(facts([report("A", "False", 5, "why", 2)]), NOTHING, at(5));
    expect(first.conditions.map(({ since }) => since)).toEqual([time(2), time(2)]);
    const later = show(facts([report("A", "False", 5, "other words", 2)]), first, at(9));
    expect(later.conditions.map(({ since, reason }) => [since, reason])).toEqual([
      [time(2), "other words"],
      [time(2), "other words"],
    ]);
  });

  test("is now where the status moved because another report went", () => {
    const bad = report("A", "False", 5);
    const good = report("A", "True", 3);
    const before = show(facts([bad], [good]), NOTHING, at(5));
    const after = show(facts([], [good]), before, at(8));
    expect(lines(after)).toEqual(["Ready=True", "A=True"]);
    expect(after.conditions.map(({ since }) => since)).toEqual([time(8), time(8)]);
  });

  test("of Ready is now where its cause went and an older one that says otherwise is left", () => {
    const before = show(facts([report("A", "False", 5), report("B", "Unknown", 2)]), NOTHING, at(5));
    const after = show(facts([report("B", "Unknown", 2)]), before, at(7));
    expect(readyOf(after)).toMatchObject({ status: "Unknown", since: time(7) });
    expect(after.conditions[1]).toMatchObject({ type: "B", since: time(2) });
  });

  test("of Ready stays where its cause went and another bad one takes over", () => {
    const before = show(facts([report("A", "False", 5), report("B", "False", 2)]), NOTHING, at(5));
    const after = show(facts([report("B", "False", 2, "b")]), before, at(7));
    expect(readyOf(after)).toMatchObject({ status: "False", since: time(5), reason: "b" });
  });

  test("of Ready over advisory conditions alone is now, once", () => {
    const of = facts([report("PowerHealthy", "True", 5)]);
    const before = show(of, NOTHING, at(5, 50));
    expect(readyOf(show(of, before, at(6, 60)))?.since).toEqual(time(50));
  });

  test("never goes back, whatever the reports and the clock say", () => {
    const status = fc.constantFrom<ConditionStatus>("True", "False", "Unknown");
    const step = fc.record({
      status,
      clock: fc.nat({ max: 100 }),
      own: fc.nat({ max: 100 }),
      which: fc.nat({ max: 1 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
        const said: Report[][] = [[], []];
        let shown = NOTHING;
        for (const [i, { status, clock, own, which }] of steps.entries()) {
          said[which] = [report("A", status, i, "", own)];
          const next = show(facts(...said), shown, at(i, clock));
          for (const before of shown.conditions) {
            const after = next.conditions.find(({ type }) => type === before.type);
            if (after === undefined) throw new Error(`${before.type} is gone`);
            expect(compareInstants(after.since, before.since)).toBeGreaterThanOrEqual(0);
            if (after.status === before.status) expect(after.since).toEqual(before.since);
          }
          shown = next;
        }
      }),
    );
  });
});

describe("the recommended action", () => {
  test.each([
    [
      "the gravest of those with a counting fault",
      [
        ["RESTART_BM", "A=False"],
        ["RESTART_APP", "B=False"],
      ],
      "RESTART_BM",
    ],
    [
      "not that of a provider without a fault",
      [
        ["REPLACE_VM", "A=True"],
        ["RESTART_APP", "B=False"],
      ],
      "RESTART_APP",
    ],
    ["not that of a fault that is only advisory", [["REPLACE_VM", "PowerHealthy=False"]], ""],
    ["not that of an Unknown", [["REPLACE_VM", "A=Unknown"]], ""],
    ["that of an inverted fault", [["COMPONENT_RESET", "XidError=True"]], "COMPONENT_RESET"],
    [
      "none where the provider with the fault gives none",
      [
        ["", "A=False"],
        ["RESTART_VM", "A=True"],
      ],
      "",
    ],
  ] as const)("is %s", (_name, providers, action) => {
    const of = facts(
      ...providers.map(([advice, line]) => {
        const [type = "", status] = line.split("=");
        return [advice, report(type, status as ConditionStatus)];
      }),
    );
    expect(show(of).action).toBe(action);
  });
});
