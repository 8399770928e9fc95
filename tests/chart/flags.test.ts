import { beforeAll, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { documentedValues } from "../../scripts/chart-readme.ts";
import { type Config, createConfig } from "../../src/server/config.ts";
import { SERVE_FLAGS } from "../../src/server/flags.ts";
import { parseFlags } from "../../src/server/flags-parse.ts";
import { BINARY } from "../support/binary.ts";
import { FLIPS, type Flip, kindsChangedBy, valuesOf } from "./flips.ts";
import {
  at,
  CHART,
  doubledItems,
  type HelmOutcome,
  hasHelm,
  type KubeObject,
  mapsOf,
  objectsIn,
  ofKind,
  render,
  renderServer,
  stringsAt,
  template,
} from "./helm.ts";

/** Every value reaches the objects, and every flag the server. */

const HOST = { hostname: "node-1", uid: 65_532, groupId: () => undefined };

function configOf(args: readonly string[]): Config {
  const [command, ...flags] = args;
  expect(command).toBe("serve");
  const { values, positionals } = parseFlags(SERVE_FLAGS, flags, {});
  expect(positionals).toEqual([]);
  return createConfig(values, HOST, "0");
}

/** Kinds of which there is one, or it says, something else. */
function changedKinds(before: readonly KubeObject[], after: readonly KubeObject[]): string[] {
  const kinds = new Set([...before, ...after].map(({ kind }) => kind));
  const ofKindIn = (objects: readonly KubeObject[], kind: string) => objects.filter((object) => object.kind === kind);
  return [...kinds].filter((kind) => !Bun.deepEquals(ofKindIn(before, kind), ofKindIn(after, kind))).sort();
}

/** What a value is called in the objects, where that is another name than in the values. */
const NAMES: Readonly<Record<string, string>> = {
  additionalRules: "rules",
  extraVolumeMounts: "volumeMounts",
  extraVolumes: "volumes",
  grpcFrom: "from",
  metricsFrom: "from",
  podAnnotations: "annotations",
  podLabels: "labels",
  podSecurityContext: "securityContext",
  sidecars: "containers",
};

/** Whether there is a list with all these items, or a map with all these keys, under the value's name. */
function holds(object: KubeObject, path: string, part: object): boolean {
  const last = path.split(".").at(-1) ?? "";
  const name = NAMES[last] ?? last;
  return [...mapsOf(object)].some(([, map]) => name in map && isPart(part, map[name]));
}

function isPart(part: unknown, whole: unknown): boolean {
  if (Array.isArray(part)) {
    return Array.isArray(whole) && part.every((item) => whole.some((other) => Bun.deepEquals(item, other)));
  }
  if (typeof part !== "object" || part === null || typeof whole !== "object" || whole === null) return part === whole;
  return Object.entries(part).every(([key, value]) => isPart(value, (whole as Record<string, unknown>)[key]));
}

const values = documentedValues(await Bun.file(`${CHART}/values.yaml`).text());

test("every value is flipped once below", () => {
  expect(FLIPS.map(({ path }) => path).sort()).toEqual(values.map(({ path }) => path).sort());
});

describe.skipIf(!hasHelm)("each value", () => {
  let unchanged: HelmOutcome;
  beforeAll(async () => {
    unchanged = await template();
  });

  const rows = FLIPS.map((flip): [string, Flip] => [flip.path, flip]);
  test.each(rows)("%s reaches the objects that it is for, and the server takes the flags", async (_, flip) => {
    const before = flip.beside === undefined ? unchanged : await template(flip.beside);
    const after = await template(valuesOf(flip));
    expect([before.ok, after.ok, after.err]).toEqual([true, true, ""]);
    const objects = objectsIn(after.out);
    const changed = changedKinds(objectsIn(before.out), objects);
    expect(changed).toEqual([...kindsChangedBy(flip)]);
    expect(doubledItems(objects)).toEqual([]);
    const server = ofKind(objects, "DaemonSet");
    const config = configOf(stringsAt(server, "spec.template.spec.containers.0.args"));
    if (flip.config !== undefined) expect(flip.config[0](config)).toEqual(flip.config[1]);
    else if (typeof flip.to === "object" && flip.to !== null) {
      for (const kind of changed)
        expect([kind, holds(ofKind(objects, kind), flip.path, flip.to)]).toEqual([kind, true]);
    }
  });
});

describe.skipIf(!hasHelm)("the server takes what the chart takes", () => {
  test.each([
    { "server.shutdownDelay": 0, "server.shutdownTimeout": 0, "server.providerLease": 1, "nvml.period": 0.1 },
    {
      "server.shutdownDelay": 3600,
      "server.shutdownTimeout": "1h",
      "server.providerLease": "24h",
      "nvml.period": "30s",
    },
    { "server.providerLease": "86400", "nvml.period": "100ms" },
    { "nvml.period": 30, "nvml.additionalIgnoredXids": "999999999, 0" },
    { "server.healthPort": 1, "server.metricsPort": 65_535, "server.grpcAddress": ":9999" },
    { "server.grpcAddress": "[::1]:65535", "server.providers": { "a b=c": 4_294_967_294 } },
    { "server.grpcAddress": "node-1.example:1", "server.insecureBind": true },
    { "server.grpcAddress": "10.0.0.1:10000", "server.insecureBind": true, "server.simulate": 256 },
    { "server.unixSocket": "/a./.b/..c/...", "socket.legacyPath": `/a/${"x".repeat(50)}/${"y".repeat(53)}` },
  ])("%p", async (values) => {
    configOf(stringsAt(await renderServer({ "nvml.enabled": true, ...values }), "args"));
  });
});

describe.skipIf(!hasHelm)("the defaults", () => {
  test("are the server's own, but for the second socket and who may write", async () => {
    const rendered = configOf(stringsAt(await renderServer({ "nvml.enabled": true }), "args"));
    const own = createConfig(parseFlags(SERVE_FLAGS, ["--enable-nvml-provider"], {}).values, HOST, "0");
    expect(rendered).toEqual({
      ...own,
      grpc: { ...own.grpc, unixSockets: [...own.grpc.unixSockets, "/var/run/nvidia-device-api/device-api.sock"] },
      authority: { ...own.authority, providerUids: new Set([0]) },
    });
  });

  test("of the chart's version and the binary's agree", async () => {
    const chart = Bun.YAML.parse(await Bun.file(`${CHART}/Chart.yaml`).text());
    const { version } = await Bun.file(`${CHART}/../../package.json`).json();
    expect(at(chart, "appVersion")).toBe(version);
  });
});

describe.skipIf(!hasHelm || !existsSync(BINARY))("the compiled binary", () => {
  const run = (args: readonly string[]) => {
    const done = Bun.spawnSync([BINARY, ...args], { stdout: "pipe", stderr: "pipe" });
    return { status: done.exitCode, err: done.stderr.toString() };
  };

  test("takes every flag that the chart can pass", async () => {
    const all = FLIPS.filter(({ path }) => path !== "server.grpcAddress").map(valuesOf);
    const args = stringsAt(await renderServer(Object.assign({}, ...all, { "server.grpcAddress": ":1" })), "args");
    expect(run([...args, "--version"])).toEqual({ status: 0, err: "" });
    expect(run([...args, "--no-such-flag", "--version"])).toMatchObject({ status: 2 });
  });

  test("knows the commands of the probe, the init container and the test", async () => {
    const objects = await render();
    const pod = at(ofKind(objects, "DaemonSet"), "spec.template.spec");
    const commands = [
      stringsAt(pod, "containers.0.startupProbe.exec.command").slice(1),
      stringsAt(pod, "initContainers.0.args"),
      stringsAt(ofKind(objects, "Pod"), "spec.containers.0.args"),
    ];
    for (const args of commands) expect(run([...args, "--help"])).toEqual({ status: 0, err: "" });
  });
});
