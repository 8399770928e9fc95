import { join } from "node:path";

export const ROOT = join(import.meta.dir, "../..");

/** Made by scripts/prometheus.ts, or installed; undefined where neither is so. */
export const PROMTOOL = find("promtool");
export const PROMETHEUS = find("prometheus");

function find(name: string): string | undefined {
  return Bun.which(name, { PATH: `${join(ROOT, ".tools/bin")}:${Bun.env["PATH"] ?? ""}` }) ?? undefined;
}

/** Everything that the command wrote, and its exit status. */
export async function promtool(...args: readonly string[]): Promise<{ readonly code: number; readonly text: string }> {
  const child = Bun.spawn([PROMTOOL ?? "promtool", ...args], { cwd: ROOT, stdout: "pipe", stderr: "pipe" });
  const [out, err] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  return { code: await child.exited, text: out + err };
}
