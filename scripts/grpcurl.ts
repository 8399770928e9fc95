/** Makes .tools/bin/grpcurl for the whole-process tests where Go is present; says in one line where it is not. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { seconds } from "./process.ts";

const MODULE = "github.com/fullstorydev/grpcurl/cmd/grpcurl";
const VERSION = "v1.9.4";
const BIN = resolve(".tools/bin");
const STAMP = resolve(".tools/grpcurl.stamp");

if (existsSync(`${BIN}/grpcurl`) && existsSync(STAMP) && readFileSync(STAMP, "utf8") === VERSION) {
  console.log(`grpcurl: ${VERSION} is there`);
} else if (Bun.which("go") === null) {
  console.log("grpcurl: skipped, no Go toolchain");
} else {
  const started = performance.now();
  mkdirSync(BIN, { recursive: true });
  const done = Bun.spawnSync(["go", "install", `${MODULE}@${VERSION}`], {
    env: { ...process.env, GOBIN: BIN, GOFLAGS: "-trimpath" },
    stderr: "pipe",
  });
  if (done.success) {
    writeFileSync(STAMP, VERSION);
    console.log(`grpcurl: built ${VERSION} in ${seconds(performance.now() - started)}`);
  } else {
    console.log(`grpcurl: skipped, go install failed: ${done.stderr.toString().trim().split("\n").at(-1)}`);
  }
}
