import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createFileRegistry, type FileRegistry, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";

/** Compiles .proto files, given by path and text. Throws with the compiler's words. */
export function compileProto(files: Readonly<Record<string, string>>): FileRegistry {
  const folder = mkdtempSync(join(tmpdir(), "proto-"));
  try {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(join(folder, dirname(path)), { recursive: true });
      writeFileSync(join(folder, path), text);
    }
    const buf = join(import.meta.dir, "../../node_modules/.bin/buf");
    const built = Bun.spawnSync([buf, "build", folder, "--output", "-#format=binpb"]);
    if (!built.success) throw new Error(built.stderr.toString());
    return createFileRegistry(fromBinary(FileDescriptorSetSchema, built.stdout));
  } finally {
    rmSync(folder, { recursive: true });
  }
}
