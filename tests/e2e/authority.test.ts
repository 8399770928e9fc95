import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmod } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type RunningBinary, spawnBinary } from "../support/binary.ts";

/**
 * T-AUTH-1 and T-AUTH-2 against the compiled binary: processes of other users, whom the kernel names over the real
 * socket. Changing users needs root; without it the tests are skipped, and the count says so.
 */

const isRoot = process.getuid?.() === 0;

interface Caller {
  readonly uid: number;
  readonly gid: number;
  readonly groups?: readonly number[];
}
interface Outcome {
  readonly code: string;
  readonly details?: string;
  readonly reply?: Record<string, unknown>;
}
type Step = readonly [string, object];

let server: RunningBinary;

beforeAll(async () => {
  const allowed = ["--provider-uids=0,1500", "--provider-gids=4321", "--provider=bound=1500", "--provider-lease=1s"];
  server = await spawnBinary([...allowed, "--simulate=2"]);
  // Whoever may open the socket may read: here everybody may, so that it is the server who refuses.
  await chmod(dirname(server.socket), 0o755);
  await chmod(server.socket, 0o666);
});

afterAll(async () => {
  await server.stop();
});

async function callAs(caller: Caller | undefined, target: string, steps: readonly Step[]): Promise<readonly Outcome[]> {
  const who = caller === undefined ? ["", "", ""] : [caller.uid, caller.gid, (caller.groups ?? []).join(",")];
  const script = join(import.meta.dir, "../support/call-as.ts");
  const child = Bun.spawn([process.execPath, script, target, ...who.map(String), JSON.stringify(steps)], {
    stdout: "pipe",
    stderr: "inherit",
  });
  return JSON.parse(await new Response(child.stdout).text()) as Outcome[];
}

const READS: readonly Step[] = [
  ["getGpu", { name: "gpu-0" }],
  ["listGpus", {}],
  ["watchGpus", {}],
  ["check", { service: "" }],
  ["listEvents", {}],
  ["describeGpu", { name: "gpu-0" }],
];
const WRITES: readonly Step[] = [
  ["registerGpu", { name: "auth-gpu" }],
  ["updateGpuStatus", { name: "auth-gpu", status: {} }],
  ["updateGpuCondition", { name: "auth-gpu", condition: { type: "T", status: "True" } }],
  ["heartbeat", { providerId: "" }],
  ["unregisterGpu", { name: "auth-gpu" }],
];
const ADMIN: readonly Step[] = [
  ["simulateBreak", { name: "gpu-1", xid: 79 }],
  ["simulateHeal", { name: "gpu-1" }],
  ["clearFaults", { name: "gpu-1", reason: "test" }],
  ["listProviders", {}],
  // The caller's own, which has written before.
  ["forgetProvider", { id: "uid:0" }],
  ["listOperatorActions", {}],
];
const all = (steps: readonly Step[], code: string) => steps.map(() => code);
/** The heartbeat of the table names no provider, so that a permitted one is told so. */
const WRITES_OK = ["OK", "OK", "OK", "INVALID_ARGUMENT", "OK"];
const DENIED = "PERMISSION_DENIED";

describe.skipIf(!isRoot)("T-AUTH-1: every method and every kind of caller", () => {
  const rows: readonly (readonly [string, Caller, boolean, boolean])[] = [
    ["root", { uid: 0, gid: 0 }, true, true],
    ["an allowed uid", { uid: 1500, gid: 1500 }, true, false],
    ["an allowed primary gid", { uid: 1600, gid: 4321 }, true, false],
    ["an allowed supplementary gid", { uid: 1600, gid: 1600, groups: [7, 4321] }, true, false],
    ["another uid", { uid: 1600, gid: 1600, groups: [7] }, false, false],
    ["the overflow uid", { uid: 65_534, gid: 65_534 }, false, false],
    ["the overflow uid with an allowed gid", { uid: 65_534, gid: 4321 }, false, false],
  ];
  for (const [who, caller, writes, administers] of rows) {
    const rights = `reads${writes ? ", writes" : ""}${administers ? ", administers" : ""}`;
    test(`${who} ${rights}, and nothing else`, async () => {
      const outcomes = await callAs(caller, server.unixTarget, [...READS, ...WRITES, ...ADMIN]);
      const expected = [
        ...all(READS, "OK"),
        ...(writes ? WRITES_OK : all(WRITES, DENIED)),
        ...all(ADMIN, administers ? "OK" : DENIED),
      ];
      expect(outcomes.map(({ code }) => code)).toEqual(expected);
    });
  }

  test("loopback TCP reads and nothing else, whoever calls", async () => {
    const outcomes = await callAs(undefined, server.tcpTarget, [...READS, ...WRITES, ...ADMIN]);
    expect(outcomes.map(({ code }) => code)).toEqual([...all(READS, "OK"), ...all([...WRITES, ...ADMIN], DENIED)]);
  });

  test("a refusal names the rule and the flag, is counted, and is in the log", async () => {
    const before = await server.metric("device_api_server_permission_denied_total");
    const [outcome] = await callAs({ uid: 1700, gid: 1700 }, server.unixTarget, WRITES.slice(0, 1));
    expect(outcome?.details).toContain("uid 1700 may not write: it is not in --provider-uids (0, 1500)");
    expect(await server.metric("device_api_server_permission_denied_total")).toBe(before + 1);
    expect(server.logLines.filter((line) => line.includes("uid 1700, gid 1700")).length).toBe(1);
  });
});

describe.skipIf(!isRoot)("T-AUTH-2: what one provider owns, another cannot touch", () => {
  const owner: Caller = { uid: 1500, gid: 1500 };
  const rival: Caller = { uid: 1600, gid: 4321 };
  const bad = { type: "Memory", status: "False", reason: "Dbe" };
  const as = (caller: Caller, steps: readonly Step[]) => callAs(caller, server.unixTarget, steps);

  test("another uid cannot write under the id, and its own report stands beside the owner's", async () => {
    await as(owner, [["registerGpu", { name: "owned", providerId: "monitor" }]]);
    await as(owner, [["updateGpuCondition", { name: "owned", condition: bad, providerId: "monitor" }]]);
    const good = { type: "Memory", status: "True" };
    const [claimed, beside, read] = await as(rival, [
      ["updateGpuCondition", { name: "owned", condition: good, providerId: "monitor" }],
      ["updateGpuCondition", { name: "owned", condition: good }],
      ["getGpu", { name: "owned" }],
    ]);
    expect([claimed?.code, beside?.code]).toEqual([DENIED, "OK"]);
    expect(claimed?.details).toContain('"monitor" belongs to uid:1500');
    expect(JSON.stringify(read?.reply)).toContain('"reason":"Dbe"');
  });

  test("another uid cannot unregister what the owner registered", async () => {
    const [outcome, read] = await as(rival, [
      ["unregisterGpu", { name: "owned" }],
      ["getGpu", { name: "owned" }],
    ]);
    expect([outcome?.reply?.["deleted"], read?.code]).toEqual([false, "OK"]);
  });

  test("an id of another identity, a tied one and a built-in one are refused", async () => {
    const claim = (providerId: string): Step => ["registerGpu", { name: "owned", providerId }];
    const ids = ["uid:1500", "uid:0", "tcp", "bound", "nvml-provider", "simulated", "operator"];
    const outcomes = await as(rival, ids.map(claim));
    expect(outcomes.map(({ code }) => code)).toEqual(ids.map(() => DENIED));
    expect((await as(owner, [claim("bound")]))[0]?.code).toBe("OK");
  });

  test("root may use every id but the server's own", async () => {
    const claim = (providerId: string): Step => ["registerGpu", { name: "owned", providerId }];
    const outcomes = await as({ uid: 0, gid: 0 }, ["monitor", "bound", "uid:1500", "operator"].map(claim));
    expect(outcomes.map(({ code }) => code)).toEqual(["OK", "OK", "OK", DENIED]);
  });

  test("an id is free again when its lease has run out", async () => {
    const beat: Step = ["heartbeat", { providerId: "leased" }];
    expect((await as(owner, [beat]))[0]?.reply).toMatchObject({ acknowledged: true });
    expect((await as(rival, [beat]))[0]?.code).toBe(DENIED);
    await Bun.sleep(1_500);
    expect((await as(rival, [beat]))[0]?.code).toBe("OK");
    expect((await as(owner, [beat]))[0]?.code).toBe(DENIED);
  });
});
