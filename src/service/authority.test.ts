import { describe, expect, test } from "bun:test";
import { type LogFields, silentLogger } from "../base/log.ts";
import { StatusError } from "../base/status-error.ts";
import { SimulatedTime } from "../testing/simulated-time.ts";
import { Authority, type AuthorityOptions, type DenialRule } from "./authority.ts";
import type { Access } from "./call.ts";
import type { Peer } from "./peer.ts";

const unix = (uid: number, gid = 100, groups: number[] = [], pid = 1): Peer => ({
  kind: "unix",
  connection: 1,
  pid,
  uid,
  gid,
  groups,
});
const tcp = (loopback: boolean): Peer => ({ kind: "tcp", connection: 1, address: "192.0.2.1:5000", loopback });

function authorityWith(overrides: Partial<AuthorityOptions> = {}) {
  const denied: DenialRule[] = [];
  const lines: { message: string; fields: LogFields | undefined }[] = [];
  const time = new SimulatedTime();
  const authority = new Authority({
    providerUids: new Set([0, 1000]),
    providerGids: new Set([4321]),
    tcpAllowProviders: false,
    serverUid: 65532,
    overflowUid: 65534,
    clock: time,
    log: { ...silentLogger, warn: (message, fields) => lines.push({ message, fields }) },
    onDenied: (_method, rule) => denied.push(rule),
    ...overrides,
  });
  return { authority, denied, lines, time };
}

/** The rule that refuses the call, or "ok". */
function outcome(access: Access, peer: Peer, overrides: Partial<AuthorityOptions> = {}): DenialRule | "ok" {
  const { authority, denied } = authorityWith(overrides);
  try {
    authority.authorize({ name: "p.S/M", access }, peer);
    return "ok";
  } catch (error) {
    expect(error).toBeInstanceOf(StatusError);
    expect((error as StatusError).code).toBe("PERMISSION_DENIED");
    return denied[0] ?? "ok";
  }
}

describe("the matrix of access and callers", () => {
  const callers: readonly (readonly [string, Peer, DenialRule | "ok", DenialRule | "ok"])[] = [
    ["root", unix(0, 0), "ok", "ok"],
    ["an allowed uid", unix(1000), "ok", "admin-uid"],
    ["an allowed primary gid", unix(2000, 4321), "ok", "admin-uid"],
    ["an allowed supplementary gid", unix(2000, 100, [7, 4321]), "ok", "admin-uid"],
    ["another uid", unix(2000), "provider-uids", "admin-uid"],
    ["the server's own uid where it is not listed", unix(65532), "provider-uids", "ok"],
    ["the overflow uid", unix(65534), "overflow-uid", "overflow-uid"],
    ["the overflow uid with an allowed gid", unix(65534, 4321), "overflow-uid", "overflow-uid"],
    ["loopback TCP", tcp(true), "tcp-read-only", "admin-unix-only"],
    ["other TCP", tcp(false), "tcp-read-only", "admin-unix-only"],
  ];
  for (const [who, peer, write, admin] of callers) {
    test(`${who}: read ok, write ${write}, admin ${admin}`, () => {
      expect([outcome("read", peer), outcome("write", peer), outcome("admin", peer)]).toEqual(["ok", write, admin]);
    });
  }

  test("the overflow uid never writes, even where it is listed or the server's own", () => {
    const overrides = { providerUids: new Set([65534]), serverUid: 65534 };
    expect(outcome("write", unix(65534), overrides)).toBe("overflow-uid");
    expect(outcome("admin", unix(65534), overrides)).toBe("overflow-uid");
  });

  test("--tcp-allow-providers lets loopback write and nobody else, and nobody administer", () => {
    const overrides = { tcpAllowProviders: true };
    expect(outcome("write", tcp(true), overrides)).toBe("ok");
    expect(outcome("write", tcp(false), overrides)).toBe("tcp-read-only");
    expect(outcome("admin", tcp(true), overrides)).toBe("admin-unix-only");
  });
});

test("a refusal names the rule and the flag", () => {
  const { authority } = authorityWith();
  const refuse = (peer: Peer) => () => authority.authorize({ name: "p.S/M", access: "write" }, peer);
  expect(refuse(unix(2000))).toThrow("--provider-uids (0, 1000)");
  expect(refuse(unix(2000))).toThrow("--provider-gids (4321)");
  expect(refuse(tcp(true))).toThrow("--tcp-allow-providers");
});

test("a refusal is counted each time and logged once a minute for each peer", () => {
  const { authority, denied, lines, time } = authorityWith();
  const refuse = (peer: Peer) => expect(() => authority.authorize({ name: "p.S/M", access: "write" }, peer)).toThrow();
  refuse(unix(2000, 100, [], 11));
  refuse(unix(2000, 100, [], 11));
  refuse(unix(2000, 100, [], 12));
  expect(denied.length).toBe(3);
  expect(lines.map(({ fields }) => fields?.["peer"])).toEqual([
    "uid 2000, gid 100, pid 11",
    "uid 2000, gid 100, pid 12",
  ]);
  time.advance(60_000);
  refuse(unix(2000, 100, [], 11));
  expect(lines.length).toBe(3);
});
