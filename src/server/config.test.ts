import { describe, expect, test } from "bun:test";
import { DEFAULT_THRESHOLDS } from "../provider/nvml/thresholds.ts";
import { type Config, createConfig } from "./config.ts";
import { groupIdIn } from "./config-values.ts";
import { SERVE_FLAGS } from "./flags.ts";
import { UsageError } from "./flags-kinds.ts";
import { parseFlags } from "./flags-parse.ts";

const host = { hostname: "node-7", uid: 990, groupId: (name: string) => (name === "gpu" ? 44 : undefined) };

const configOf = (...args: readonly string[]): Config =>
  createConfig(parseFlags(SERVE_FLAGS, args, {}).values, host, "1.2.3");

test("without flags the configuration is the contract's", () => {
  expect(configOf()).toEqual({
    version: "1.2.3",
    nodeName: "node-7",
    serverUid: 990,
    grpc: {
      tcp: { host: "127.0.0.1", port: 50_051, loopback: true },
      unixSockets: ["/var/run/device-api/device.sock"],
      socketGid: undefined,
      maxConnections: 4_096,
      maxConnectionsPerUid: 2_048,
      maxMessageBytes: 4_194_304,
    },
    http: { host: "", healthPort: 8_081, metricsPort: 9_090 },
    ui: { host: "127.0.0.1", port: 8_082, loopback: true },
    authority: {
      providerUids: new Set([0, 990]),
      providerGids: new Set(),
      tcpAllowProviders: false,
      boundProviders: new Map(),
    },
    conditions: { inverted: ["*Error", "*Fault", "Gpu*Watch"], advisory: ["ThermalHealthy", "PowerHealthy"] },
    providerLeaseMs: 30_000,
    simulatedGpus: 0,
    shutdown: { delayMs: 5_000, timeoutMs: 30_000 },
    log: { format: "json", verbosity: 0 },
    nvml: {
      enabled: false,
      periodMs: 500,
      driverRoot: "/run/nvidia/driver",
      healthCheck: true,
      ignoredXids: new Set(),
      mig: false,
      thresholds: DEFAULT_THRESHOLDS,
      hangTimeoutMs: undefined,
    },
  });
});

test("the configuration is frozen, its parts included", () => {
  const config = configOf();
  const parts = [config, config.grpc, config.grpc.unixSockets, config.http, config.authority, config.shutdown];
  expect(parts.every((part) => Object.isFrozen(part))).toBe(true);
});

describe("a TCP address", () => {
  test.each([
    ["127.0.0.1:0", "127.0.0.1", true],
    ["127.9.9.9:1", "127.9.9.9", true],
    ["localhost:1", "localhost", true],
    ["[::1]:1", "::1", true],
    ["[0:0:0:0:0:0:0:1]:1", "0:0:0:0:0:0:0:1", true],
    ["[::ffff:127.0.0.1]:1", "::ffff:127.0.0.1", true],
    [":1", "", false],
    ["0.0.0.0:1", "0.0.0.0", false],
    ["10.0.0.1:1", "10.0.0.1", false],
    ["[::]:1", "::", false],
    ["[fe80::1]:1", "fe80::1", false],
    ["[::ffff:10.0.0.1]:1", "::ffff:10.0.0.1", false],
    ["127.example.com:1", "127.example.com", false],
  ])("%p has the host %p; loopback: %p", (text, name, loopback) => {
    const tcp = configOf("--grpc-address", text, "--insecure-bind").grpc.tcp;
    expect([tcp?.host, tcp?.loopback]).toEqual([name, loopback]);
  });

  test.each([
    "nonsense",
    "127.0.0.1",
    "127.0.0.1:",
    "127.0.0.1:65536",
    "127.0.0.1:-1",
    "127.0.0.1:http",
    "300.0.0.1:1",
    "127.1:1",
    "::1:50051",
    "[127.0.0.1]:1",
    "[::1]",
    "a b:1",
    "a\nb:1",
    "unix:///run/a.sock",
  ])("%p is refused in one line", (text) => {
    expect(() => configOf("--grpc-address", text)).toThrow(/^--grpc-address: .* is not HOST:PORT[^\n]*$/);
  });

  test("may be left out", () => {
    expect(configOf("--grpc-address=").grpc.tcp).toBeUndefined();
    expect(configOf("--ui-address=").ui).toBeUndefined();
  });

  test("of the page may be one that others reach, where that is meant", () => {
    expect(configOf("--ui-address=:1", "--insecure-bind").ui).toEqual({ host: "", port: 1, loopback: false });
    expect(configOf("--ui-address=127.0.0.1:0", "--health-port=0").ui?.port).toBe(0);
  });
});

test.each([
  [["--grpc-address=0.0.0.0:50051"], "--grpc-address: 0.0.0.0:50051 is not a loopback address"],
  [["--grpc-address=:1", "--insecure-bind", "--tcp-allow-providers"], "--tcp-allow-providers is for loopback alone"],
  [["--grpc-address=", "--unix-socket="], "there is nothing to listen on"],
  [["--unix-socket=run/a.sock"], '--unix-socket: "run/a.sock" is not an absolute path'],
  [["--unix-socket=unix:///run/a.sock"], "is not an absolute path"],
  [["--unix-socket=/run/"], "is a folder"],
  [[`--unix-socket=/${"a".repeat(107)}`], "has 108 bytes; the kernel takes 107"],
  [[`--unix-socket=/${"é".repeat(54)}`], "has 109 bytes"],
  [["--socket-group=nobody-here"], '--socket-group: there is no group "nobody-here"'],
  [["--provider-uids=0,root"], '--provider-uids: "root" is not a uid (or self)'],
  [["--provider-uids=4294967295"], "is not a uid"],
  [["--provider-gids=-1"], '--provider-gids: "-1" is not a gid'],
  [["--nvml-ignored-xids=79,x"], '--nvml-ignored-xids: "x" is not an Xid'],
  [["--provider=monitor"], '--provider: "monitor" is not ID=UID'],
  [["--provider==5"], "is not ID=UID"],
  [["--provider=a=1,a=2"], '"a" is tied to uid 1 and to uid 2'],
  [["--provider=nvml-provider=0"], "nvml-provider is the server's own"],
  [["--health-port=7000", "--metrics-port=7000"], "--metrics-port: port 7000 is that of --health-port already"],
  [["--ui-address=8082"], '--ui-address: "8082" is not HOST:PORT, such as 127.0.0.1:8082 or [::1]:8082'],
  [["--grpc-address=50051"], "is not HOST:PORT, such as 127.0.0.1:50051 or [::1]:50051"],
  [["--ui-address=:8082"], "--ui-address: :8082 is not a loopback address: anyone who reaches it could read"],
  [["--ui-address=node-7:8082"], "say --insecure-bind if that is meant"],
  [["--ui-address=127.0.0.1:8081"], "--ui-address: port 8081 is that of --health-port already"],
  [["--ui-address=[::1]:7001", "--metrics-port=7001"], "--ui-address: port 7001 is that of --metrics-port already"],
  [
    ["--ui-address=127.0.0.1:7", "--grpc-address=127.0.0.1:7"],
    "--ui-address: port 7 is that of --grpc-address already",
  ],
  [["--ui-address=LOCALHOST:7", "--grpc-address=127.0.0.1:7"], "port 7 is that of --grpc-address"],
  [["--ui-address=:7", "--grpc-address=[::1]:7", "--insecure-bind"], "port 7 is that of --grpc-address"],
  [["--grpc-address=127.0.0.1:9090"], "--grpc-address: port 9090 is that of --metrics-port already"],
])("%p is refused, with the flag named", (args, message) => {
  expect(() => configOf(...args)).toThrow(UsageError);
  expect(() => configOf(...args)).toThrow(message);
});

test("listeners may have one port at two addresses, and none of their own", () => {
  const apart = configOf(
    ...["--grpc-address=127.0.0.1:7", "--ui-address=127.0.0.2:7", "--http-host=127.0.0.3"],
    ...["--health-port=7", "--metrics-port=0"],
  );
  expect([apart.grpc.tcp?.port, apart.ui?.port, apart.http.healthPort]).toEqual([7, 7, 7]);
  expect(configOf("--grpc-address=127.0.0.1:0", "--ui-address=127.0.0.1:0").ui?.port).toBe(0);
});

test("the values of lists are read into what the server compares", () => {
  const config = configOf(
    ...["--provider-uids=self,7", "--provider-gids=44,45", "--provider=a=b=5", "--provider", "c=6,c=6"],
    ...["--socket-group=gpu", "--unix-socket=/a,/b,/a", "--nvml-ignored-xids=31,43", "--metrics-port=0"],
    "--health-port=0",
  );
  expect(config.authority).toMatchObject({ providerUids: new Set([990, 7]), providerGids: new Set([44, 45]) });
  expect(config.authority.boundProviders).toEqual(
    new Map([
      ["a=b", 5],
      ["c", 6],
    ]),
  );
  expect([config.grpc.socketGid, config.grpc.unixSockets]).toEqual([44, ["/a", "/b"]]);
  expect(config.nvml.ignoredXids).toEqual(new Set([31, 43]));
  expect(configOf("--socket-group=1000").grpc.socketGid).toBe(1_000);
});

test("a group is looked up by its whole name", () => {
  const groups = "root:x:0:\nvideo:x:44:alice,bob\nbroken:x::\n";
  expect(["root", "video", "vid", "alice", "broken", "none"].map((name) => groupIdIn(groups, name))).toEqual([
    0,
    44,
    ...[undefined, undefined, undefined, undefined],
  ]);
});
