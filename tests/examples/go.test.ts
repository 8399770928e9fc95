import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fromBinary, toJson } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { file_device_v1alpha1_gpu } from "../../src/gen/device/v1alpha1/gpu_pb.ts";
import { spawnBinary } from "../support/binary.ts";
import { NO_MODULES } from "../support/go-modules.ts";
import { ROOT, shownOutput, simulate, startExample } from "./example.ts";

const PLACE = join(ROOT, "examples/go");
const folder = mkdtempSync(join(tmpdir(), "go-example-"));
const program = join(folder, "example");

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Before the tests, which have a time limit: without anything in Go's caches it takes a minute. */
const built = Bun.which("go") === null ? undefined : build();
const reason =
  built === undefined ? "there is no Go" : NO_MODULES.test(built) ? "Go's modules cannot be had" : undefined;

/** What the compiler said; "" where all is well. With the flags of scripts/go-tools.ts, whose work it can use. */
function build(): string {
  const env = { ...process.env, CGO_ENABLED: "0" };
  const go = Bun.spawnSync(["go", "build", "-trimpath", "-o", program, "."], { cwd: PLACE, env, stderr: "pipe" });
  return go.success ? "" : go.stderr.toString();
}

describe.skipIf(reason !== undefined)(`the example in Go${reason === undefined ? "" : `: ${reason}`}`, () => {
  test("is formatted as Go is", () => {
    const gofmt = Bun.spawnSync(["gofmt", "-l", "."], { cwd: PLACE });
    expect(gofmt.stdout.toString()).toBe("");
  });

  test("follows a GPU that breaks and is healed, and writes what its README shows", async () => {
    expect(built).toBe("");
    await using binary = await spawnBinary(["--simulate=8"]);
    await using example = startExample([program], binary.unixTarget);
    await example.untilLines(8);
    await simulate(binary, "break", "gpu-0", "--xid", "79");
    await example.untilLines(9);
    await simulate(binary, "heal", "gpu-0");
    await example.untilLines(10);
    expect(await example.stop()).toBe(shownOutput("go", "./dev example go"));
  });
});

test("the stubs in Go are of the contract as it is", () => {
  const text = readFileSync(join(PLACE, "device/v1alpha1/gpu.pb.go"), "utf8");
  const found = fromBinary(FileDescriptorProtoSchema, descriptorIn(text));
  const wanted = toJson(FileDescriptorProtoSchema, file_device_v1alpha1_gpu.proto);
  // The package's place in Go is the module's own.
  expect({ ...(toJson(FileDescriptorProtoSchema, found) as object), options: {} }).toEqual({
    ...(wanted as object),
    options: {},
  });
});

/** The generator writes it down as a sum of string literals. */
function descriptorIn(source: string): Uint8Array {
  const [, sum = ""] = /^const file_device_v1alpha1_gpu_proto_rawDesc = ((?:.*\+\n)*.*)$/m.exec(source) ?? [];
  const literals = [...sum.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, inner = ""]) => unquote(inner));
  return Uint8Array.from(Buffer.from(literals.join(""), "latin1"));
}

const ESCAPES: Readonly<Record<string, string>> = { n: "\n", t: "\t", r: "\r", a: "\x07", b: "\b", f: "\f", v: "\v" };

/** A string literal of Go, to a character for each byte. */
function unquote(text: string): string {
  return text.replaceAll(/\\(?:x([0-9a-f]{2})|(.))/g, (_, hex: string | undefined, escaped: string) =>
    hex === undefined ? (ESCAPES[escaped] ?? escaped) : String.fromCharCode(Number.parseInt(hex, 16)),
  );
}
