import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as grpc from "@grpc/grpc-js";
import { findImports } from "../../scripts/lint/imports.ts";
import { compileProto } from "../../src/testing/compile-proto.ts";
import { eventually } from "../support/grpc-fixture.ts";
import { guideInstalls, packageOf } from "../support/guide-installs.ts";
import { startNicServer } from "./nic-server.ts";

/**
 * T-GEN-1: from nic.proto to an informer of NICs. protoc-gen-es and the plugin write everything but the program, which
 * is what a user writes.
 */

const ROOT = join(import.meta.dir, "../..");
const BIN = join(ROOT, "node_modules/.bin");
const NIC_PROTO = "acme/device/v1alpha1/nic.proto";

/** Its types are checked; the line that must not pass shows that they are. */
const PROGRAM = `\
import { create } from "@bufbuild/protobuf";
import { connect } from "device-api-client";
import { NicSchema } from "./acme/device/v1alpha1/nic_pb.ts";
import type { NicClient, NicInformer, NicLister } from "./acme/device/v1alpha1/nic.gen.ts";
import { type Clientset, createClientset } from "./clientset.gen.ts";
import { createFakeClientset } from "./fake-clientset.gen.ts";
import { createInformerFactory } from "./informer-factory.gen.ts";

async function follow(clientset: Clientset, tell: (line: string) => void) {
  const factory = createInformerFactory(clientset);
  const informer: NicInformer = factory.deviceV1alpha1().nics().informer();
  const lister: NicLister = factory.deviceV1alpha1().nics().lister();
  informer.addEventHandler({
    onAdd: (nic, isInInitialList) => tell(\`\${nic.metadata?.name} \${nic.linkUp} \${isInInitialList}\`),
    onUpdate: (old, nic) => tell(\`\${nic.metadata?.name} \${old.linkUp} to \${nic.linkUp}\`),
    // @ts-expect-error a NIC has no temperature
    onDelete: (nic) => tell(\`\${nic.metadata?.name ?? nic.temperature} is gone\`),
  });
  factory.start();
  await factory.waitForSync(AbortSignal.timeout(60_000));
  return { links: () => lister.list().map((nic) => nic.linkUp), stop: () => factory.stop() };
}

export async function followServer(target: string, tell: (line: string) => void) {
  const connection = connect({ target });
  const following = await follow(createClientset(connection), tell);
  return { ...following, stop: () => following.stop().then(() => connection.close()) };
}

export async function followFake(tell: (line: string) => void) {
  const clientset = createFakeClientset(create(NicSchema, { metadata: { name: "nic-0" }, linkUp: true }));
  const nics: NicClient = clientset.deviceV1alpha1().nics();
  tell((await nics.get("NIC-0")).metadata?.name ?? "");
  return follow(clientset, tell);
}
`;

interface Following {
  links(): readonly boolean[];
  stop(): Promise<void>;
}

interface Program {
  followServer(target: string, tell: (line: string) => void): Promise<Following>;
  followFake(tell: (line: string) => void): Promise<Following>;
}

let folder = "";

beforeAll(() => {
  folder = makeFolder();
  expect(runBuf(folder, SOURCE_PLUGIN)).toEqual({ exitCode: 0, stderr: "" });
  writeFileSync(join(folder, "program.ts"), PROGRAM);
});

/** Below the root, so that what is generated finds the packages. */
function makeFolder(): string {
  mkdirSync(join(ROOT, "dist"), { recursive: true });
  return mkdtempSync(join(ROOT, "dist/tmp.nic-"));
}

afterAll(() => rmSync(folder, { recursive: true, force: true }));

const SOURCE_PLUGIN = [process.execPath, "src/codegen/protoc-gen-device-client.ts"];

function runBuf(out: string, plugin: readonly string[], ...options: readonly string[]) {
  const opt = ["target=ts", "import_extension=ts"];
  const plugins = [
    { local: [`${BIN}/protoc-gen-es`], out, opt },
    { local: plugin, out, strategy: "all", opt: [...opt, ...options] },
  ];
  const template = JSON.stringify({ version: "v2", inputs: [{ directory: "tests/sdk/proto" }], plugins });
  const { exitCode, stderr } = Bun.spawnSync([`${BIN}/buf`, "generate", "--template", template], { cwd: ROOT });
  return { exitCode, stderr: stderr.toString() };
}

function read(place: string): Readonly<Record<string, string>> {
  const files = readdirSync(place, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = files.map((entry) => join(entry.parentPath, entry.name)).sort();
  return Object.fromEntries(paths.map((path) => [path.slice(place.length + 1), readFileSync(path, "utf8")]));
}

test("what is generated type-checks under strict settings, and so does a program on it", () => {
  const config = { extends: "../../tsconfig.json", compilerOptions: { declaration: true }, include: ["**/*"] };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(config));
  const tsc = Bun.spawnSync([`${BIN}/tsc`, "--project", folder], { cwd: ROOT });
  expect(tsc.stdout.toString()).toBe("");
  expect(tsc.exitCode).toBe(0);
});

test("what is generated imports nothing but what the guide says to install", () => {
  const specifiers = Object.values(read(folder)).flatMap((text) => findImports(text).map(({ specifier }) => specifier));
  const packages = specifiers.filter((specifier) => !specifier.startsWith(".")).map(packageOf);
  expect([...new Set(packages)].sort()).toEqual(["@bufbuild/protobuf", "device-api-client"]);
  expect(guideInstalls("generator.md")).toEqual(expect.arrayContaining(packages));
});

test("generated once more, by the compiled plugin on Node, it is the same", () => {
  const again = makeFolder();
  const compiled = makeFolder();
  try {
    const tsc = Bun.spawnSync([`${BIN}/tsc`, "--project", "tsconfig.sdk.json", "--outDir", compiled], { cwd: ROOT });
    expect(tsc.stdout.toString()).toBe("");
    const plugin = ["node", join(compiled, "codegen/protoc-gen-device-client.js")];
    expect(runBuf(again, plugin)).toEqual({ exitCode: 0, stderr: "" });
    expect(Object.keys(read(again))).toHaveLength(7);
    for (const [path, text] of Object.entries(read(again))) {
      expect([path, text]).toEqual([path, readFileSync(join(folder, path), "utf8")]);
    }
  } finally {
    for (const place of [again, compiled]) rmSync(place, { recursive: true });
  }
});

test("an informer of NICs follows a server", async () => {
  const proto = readFileSync(join(ROOT, "tests/sdk/proto", NIC_PROTO), "utf8");
  await using server = await startNicServer(compileProto({ [NIC_PROTO]: proto }));
  const { followServer } = (await import(join(folder, "program.ts"))) as Program;
  server.write("nic-0", true);
  server.write("nic-1", false);
  const lines: string[] = [];
  const following = await followServer(server.target, (line) => lines.push(line));
  await eventually(() => server.watchedFrom.length === 1, "the informer to watch");
  server.write("nic-1", true);
  server.write("nic-0", undefined);
  await eventually(() => lines.length === 4, "the changes to be told");
  // It lists again, and finds what it was not told.
  server.endWatches(grpc.status.OUT_OF_RANGE);
  server.write("nic-2", false);
  await eventually(() => lines.length === 5, "what was missed to be told", 60_000);
  expect(lines).toEqual([
    "nic-0 true true",
    "nic-1 false true",
    "nic-1 false to true",
    "nic-0 is gone",
    "nic-2 false false",
  ]);
  expect(following.links()).toEqual([true, false]);
  await eventually(() => server.watchedFrom.length === 2, "the informer to watch again", 60_000);
  expect(server.watchedFrom).toEqual(["102", "105"]);
  await following.stop();
});

test("the same informer follows the generated fake", async () => {
  const { followFake } = (await import(join(folder, "program.ts"))) as Program;
  const lines: string[] = [];
  const following = await followFake((line) => lines.push(line));
  await eventually(() => lines.length === 2, "the NIC to be told");
  expect(lines).toEqual(["nic-0", "nic-0 true true"]);
  await following.stop();
});

test("a compiler shows what is wrong with an option, and ends with an error", () => {
  const { exitCode, stderr } = runBuf(folder, SOURCE_PLUGIN, "colour=blue");
  expect(stderr).toContain('there is no option "colour"; known are runtime_import=PACKAGE');
  expect(exitCode).not.toBe(0);
});
