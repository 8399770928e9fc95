import { copyFileSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { run } from "./processes.ts";

/** An image of nothing but one static binary, as an OCI archive in `folder`. */
export async function scratchImage(name: string, binary: string, folder: string): Promise<string> {
  const context = join(folder, `context-${name.replaceAll(/[^a-z0-9]/g, "-")}`);
  const archive = `${context}.tar`;
  mkdirSync(context, { recursive: true });
  copyFileSync(binary, join(context, "program"));
  const containerfile = join(context, "Containerfile");
  await Bun.write(containerfile, 'FROM scratch\nCOPY program /program\nENTRYPOINT ["/program"]\n');
  const buildah = ["buildah", "--storage-driver=vfs", `--root=${context}/root`, `--runroot=${context}/run`];
  await run([...buildah, "build", "--isolation=chroot", "--tag", name, "--file", containerfile, context]);
  await run([...buildah, "push", name, `oci-archive:${archive}:${name}`]);
  rmSync(context, { recursive: true });
  return archive;
}
