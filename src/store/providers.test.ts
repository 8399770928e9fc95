import { describe, expect, test } from "bun:test";
import { codeOf } from "../testing/test-store.ts";
import { PROVIDERS_MAX } from "./limits.ts";
import {
  type ClaimContext,
  isOverdue,
  judgeClaim,
  judgeForgetting,
  type Lease,
  leaseRemainingMs,
  type Provider,
  renewedByHeartbeat,
  renewedByWrite,
  toForget,
} from "./providers.ts";

const LEASE_MS = 30_000;
const NONE: Lease = { kind: "none" };
const HELD: Lease = { kind: "held", renewedAtMs: 0, lapsed: false };
const LOST: Lease = { kind: "lost" };

const provider = (id: string, identity: string | undefined, lease: Lease = NONE): Provider => ({ id, identity, lease });
const claimOf = (id: string, uid: number) => ({ id, identity: `uid:${uid}`, superuser: uid === 0 });
const context = (known?: Provider, inUse = false): ClaimContext => ({
  bound: new Map([["tied", "uid:7"]]),
  known,
  inUse: () => inUse,
});

interface ClaimCase {
  readonly title: string;
  readonly id: string;
  readonly uid: number;
  readonly known?: Provider;
  readonly inUse?: boolean;
  /** The identity that owns the id afterwards; undefined where the claim is refused. */
  readonly owner: string | undefined;
}

const CASES: readonly ClaimCase[] = [
  { title: "a free id, by anyone", id: "x", uid: 1, owner: "uid:1" },
  { title: "the server's own id", id: "nvml-provider", uid: 1, owner: undefined },
  { title: "the server's own id, by uid 0", id: "simulated", uid: 0, owner: undefined },
  {
    title: "the server's own id, known",
    id: "operator",
    uid: 0,
    known: provider("operator", undefined),
    owner: undefined,
  },
  { title: "one's own identity", id: "uid:1", uid: 1, owner: "uid:1" },
  { title: "another's identity", id: "uid:2", uid: 1, owner: undefined },
  { title: "the identity of all TCP peers", id: "tcp", uid: 1, owner: undefined },
  { title: "another's identity, by uid 0, which does not take it", id: "uid:2", uid: 0, owner: "uid:2" },
  { title: "a name that only looks like an identity", id: "uid:2x", uid: 1, owner: "uid:1" },
  { title: "an id tied to the caller", id: "tied", uid: 7, owner: "uid:7" },
  { title: "an id tied to another", id: "tied", uid: 1, owner: undefined },
  { title: "an id tied to another, by uid 0, which does not take it", id: "tied", uid: 0, owner: "uid:7" },
  { title: "one's own id in use", id: "x", uid: 1, known: provider("x", "uid:1"), inUse: true, owner: "uid:1" },
  { title: "another's id in use", id: "x", uid: 1, known: provider("x", "uid:2"), inUse: true, owner: undefined },
  {
    title: "another's id in use, by uid 0",
    id: "x",
    uid: 0,
    known: provider("x", "uid:2"),
    inUse: true,
    owner: "uid:2",
  },
  { title: "another's id out of use", id: "x", uid: 1, known: provider("x", "uid:2"), owner: "uid:1" },
  { title: "another's id under a lease", id: "x", uid: 1, known: provider("x", "uid:2", HELD), owner: undefined },
  {
    title: "another's id under a lease, by uid 0",
    id: "x",
    uid: 0,
    known: provider("x", "uid:2", HELD),
    owner: "uid:2",
  },
  {
    title: "another's id after its loss",
    id: "x",
    uid: 1,
    known: provider("x", "uid:2", LOST),
    inUse: true,
    owner: "uid:1",
  },
  {
    title: "another's id after its loss, by uid 0",
    id: "x",
    uid: 0,
    known: provider("x", "uid:2", LOST),
    owner: "uid:0",
  },
  {
    title: "a tied id after its loss, by uid 0",
    id: "tied",
    uid: 0,
    known: provider("tied", "uid:7", LOST),
    owner: "uid:7",
  },
  { title: "one's own id after its loss", id: "x", uid: 1, known: provider("x", "uid:1", LOST), owner: "uid:1" },
  { title: "__proto__", id: "__proto__", uid: 1, owner: "uid:1" },
  { title: "constructor", id: "constructor", uid: 1, owner: "uid:1" },
];

describe("a claim", () => {
  for (const { title, id, uid, known, inUse, owner } of CASES) {
    test(`of ${title} is ${owner === undefined ? "refused" : `granted, and the id is ${owner}'s`}`, () => {
      const judge = () => judgeClaim(claimOf(id, uid), context(known, inUse));
      if (owner === undefined) {
        expect(codeOf(judge)).toBe("PERMISSION_DENIED");
        expect(judge).toThrow(`provider_id "${id}"`);
      } else {
        expect(judge()).toEqual({ id, identity: owner, lease: known?.lease ?? NONE });
      }
    });
  }

  test("looks through the GPUs only where the answer depends on it", () => {
    const judge = (uid: number, known?: Provider) =>
      judgeClaim(claimOf("x", uid), {
        bound: new Map(),
        known,
        inUse: () => {
          throw new Error("looked");
        },
      });
    judge(1);
    judge(1, provider("x", "uid:1"));
    judge(1, provider("x", "uid:2", LOST));
    expect(() => judge(1, provider("x", "uid:2"))).toThrow("looked");
  });
});

describe("a lease", () => {
  const at = (lease: Lease) => provider("x", "uid:1", lease);

  test("begins with a heartbeat, and not with a write", () => {
    expect(renewedByWrite(at(NONE), 5)).toEqual({ ...at(NONE), lastWriteMs: 5 });
    expect(renewedByHeartbeat(at(NONE), 5)).toEqual({
      provider: { ...at({ kind: "held", renewedAtMs: 5, lapsed: false }), lastHeartbeatMs: 5 },
      acknowledged: true,
    });
  });

  test("is renewed by heartbeats and writes", () => {
    expect(renewedByHeartbeat(at(HELD), 9).acknowledged).toBe(true);
    expect(renewedByWrite(at(HELD), 9).lease).toEqual({ kind: "held", renewedAtMs: 9, lapsed: false });
  });

  test("has so much time left, and none after it ran out or without one", () => {
    expect([0, 29_999, 30_000, 40_000].map((nowMs) => leaseRemainingMs(at(HELD), LEASE_MS, nowMs))).toEqual([
      30_000, 1, 0, 0,
    ]);
    expect([NONE, LOST].map((lease) => leaseRemainingMs(at(lease), LEASE_MS, 0))).toEqual([undefined, undefined]);
  });

  test("runs out after its length, to the millisecond, and only while it is held", () => {
    expect([LEASE_MS - 1, LEASE_MS].map((nowMs) => isOverdue(at(HELD), LEASE_MS, nowMs))).toEqual([false, true]);
    expect([NONE, LOST].map((lease) => isOverdue(at(lease), LEASE_MS, 10 * LEASE_MS))).toEqual([false, false]);
  });

  test("that was lost is told of once, also where writes came in between", () => {
    let now = at(LOST);
    now = renewedByWrite(renewedByWrite(now, 1), 2);
    expect(now.lease).toEqual({ kind: "held", renewedAtMs: 2, lapsed: true });
    const told = renewedByHeartbeat(now, 3);
    expect(told.acknowledged).toBe(false);
    expect(renewedByHeartbeat(told.provider, 4).acknowledged).toBe(true);
    expect(renewedByHeartbeat(at(LOST), 4).acknowledged).toBe(false);
  });
});

describe("an operator", () => {
  const judge = (id: string, known: Provider | undefined, force = false) =>
    judgeForgetting(id, known, { force, remainingMs: known && leaseRemainingMs(known, LEASE_MS, 500) });

  test("may have a provider forgotten that sends no heartbeats or whose lease ran out", () => {
    for (const lease of [NONE, LOST]) judge("x", provider("x", "uid:1", lease));
  });

  test("has to force it while the lease is in force, and is told for how long", () => {
    const alive = provider("x", "uid:1", HELD);
    expect(codeOf(() => judge("x", alive))).toBe("FAILED_PRECONDITION");
    expect(() => judge("x", alive)).toThrow('provider "x" is alive: its lease is in force for another 30 s');
    judge("x", alive, true);
  });

  test("is refused for an unknown id, and for a built-in one whatever is said", () => {
    expect(codeOf(() => judge("x", undefined, true))).toBe("NOT_FOUND");
    for (const known of [undefined, provider("nvml-provider", undefined)]) {
      expect(codeOf(() => judge("nvml-provider", known, true))).toBe("FAILED_PRECONDITION");
    }
  });
});

describe("forgetting", () => {
  const many = (count: number, lease: Lease) =>
    new Map(Array.from({ length: count }, (_, i) => [`p${i}`, provider(`p${i}`, "uid:1", lease)] as const));
  const nothing = () => new Set<string>();

  test("is not needed below the limit", () => {
    expect(toForget(many(PROVIDERS_MAX - 1, NONE), nothing)).toBeUndefined();
  });

  test("takes the first that has no lease and nothing standing under its id", () => {
    const providers = many(PROVIDERS_MAX, NONE);
    providers.set("p0", provider("p0", undefined));
    providers.set("p1", provider("p1", "uid:1", HELD));
    expect(toForget(providers, () => new Set(["p2", "p3"]))).toBe("p4");
    expect(toForget(many(PROVIDERS_MAX, LOST), nothing)).toBe("p0");
  });

  test("is refused with RESOURCE_EXHAUSTED where all are needed", () => {
    expect(codeOf(() => toForget(many(PROVIDERS_MAX, HELD), nothing))).toBe("RESOURCE_EXHAUSTED");
    const providers = many(PROVIDERS_MAX, LOST);
    expect(codeOf(() => toForget(providers, () => new Set(providers.keys())))).toBe("RESOURCE_EXHAUSTED");
  });
});
