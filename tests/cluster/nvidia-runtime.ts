/**
 * Does what NVIDIA's container runtime does before it hands over to runc: a container that asks for GPUs gets the
 * driver's library, here the scripted one with its control file. nvidia-runtime.ts DRIVER [ARGUMENTS OF RUNC...]
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

interface Spec {
  readonly process: { readonly env: string[] };
  readonly mounts: object[];
}

const [driver = "", ...args] = process.argv.slice(2);
const LIBRARY = "libnvidia-ml.so.1";
/** Where NVIDIA's puts libraries in an image of Debian's packages. */
const FOLDER = `/usr/lib/${process.arch === "arm64" ? "aarch64" : "x86_64"}-linux-gnu`;
const CONTROL = "/run/scripted-driver";

if (args.includes("create")) {
  const path = join(args[args.indexOf("--bundle") + 1] ?? "", "config.json");
  const spec = JSON.parse(readFileSync(path, "utf8")) as Spec;
  const [visible] = spec.process.env.filter((variable) => variable.startsWith("NVIDIA_VISIBLE_DEVICES="));
  if (visible === "NVIDIA_VISIBLE_DEVICES=all") {
    spec.process.env.push(`FAKE_NVML_CONTROL=${CONTROL}/control`);
    spec.mounts.push(
      {
        destination: join(FOLDER, LIBRARY),
        type: "bind",
        source: join(driver, "usr/lib64", LIBRARY),
        options: ["bind", "ro"],
      },
      { destination: CONTROL, type: "bind", source: driver, options: ["bind", "rw"] },
    );
    writeFileSync(path, JSON.stringify(spec));
  }
}
