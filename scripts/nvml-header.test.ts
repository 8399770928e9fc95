import { expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { installHeader } from "./nvml-header.ts";

/** Zig compiles the comparison: seconds with a warm cache, a minute with a cold one on a busy machine. */
const LIMIT_MS = 600_000;

const header = installHeader();
const folder = "folder" in header ? header.folder : "";
const skipped = "missing" in header ? ` (skipped: ${header.missing.slice(0, 200)})` : "";

test.skipIf(skipped !== "")(
  `the declarations in nvml.zig are those of nvml.h${skipped}`,
  () => expect(compare(folder)).toBe(""),
  LIMIT_MS,
);

test.skipIf(skipped !== "")(`a header that differs is noticed${skipped}`, () => {
  const changed = mkdtempSync(join(tmpdir(), "nvml-header-"));
  try {
    const text = readFileSync(join(folder, "nvml.h"), "utf8");
    const other = text
      .replace("NVML_ERROR_GPU_IS_LOST = 15", "NVML_ERROR_GPU_IS_LOST = 95")
      .replace(/unsigned int\s+cliqueId;/g, "unsigned long long cliqueId;")
      .replace(
        "nvmlDeviceGetPowerUsage(nvmlDevice_t device, unsigned int",
        "nvmlDeviceGetPowerUsage(nvmlDevice_t device, float",
      );
    writeFileSync(join(changed, "nvml.h"), other);
    const said = compare(changed);
    expect(said).toContain("NVML_ERROR_GPU_IS_LOST is not 15u");
    expect(said).toContain("offsetof(nvmlGpuFabricInfo_v3_t, healthMask) is not 32");
    expect(said).toContain("nvmlDeviceGetPowerUsage is no unsigned int (*)(nvmlDevice_t, unsigned int *)");
  } finally {
    rmSync(changed, { recursive: true, force: true });
  }
});

/** What the comparison has to say; nothing where all is equal. */
function compare(include: string): string {
  const done = Bun.spawnSync(["zig", "build", "nvml-check", `-Dnvml-include=${include}`], {
    cwd: "zig",
    stdout: "pipe",
    stderr: "pipe",
  });
  return done.success ? "" : `${done.stdout}${done.stderr}`;
}
