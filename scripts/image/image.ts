/**
 * `just image`: the image for one architecture as an OCI archive, device-api-server-ARCH.tar in dist/image or --folder,
 * which skopeo, podman, `ctr images import` and `docker load` take. By default everything is built in the
 * Containerfile, on the public base; with --offline the base is made from Debian's packages and the binary is the one
 * in dist.
 */
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import packageJson from "../../package.json" with { type: "json" };
import { say, seconds } from "../process.ts";
import { type Arch, archOf } from "./arch.ts";
import { makeBase } from "./base.ts";
import { putBinary } from "./binary.ts";
import { must } from "./tools.ts";

const NAME = "localhost/device-api-server";
const LOCAL_BASE = "localhost/device-api-server-base:local";

interface Built {
  readonly archive: string;
  /** Of the manifest: the same for the same content. */
  readonly digest: string;
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      offline: { type: "boolean", default: false },
      arch: { type: "string", default: "" },
      base: { type: "string" },
      builder: { type: "string" },
      tag: { type: "string", default: packageJson.version },
      folder: { type: "string", default: "dist/image" },
    },
  });
  const started = performance.now();
  const arch = archOf(values.arch);
  const folder = resolve(values.folder);
  mkdirSync(folder, { recursive: true });
  const settings = { arch, tag: values.tag, base: values.base, builder: values.builder, folder };
  const built = values.offline ? buildOffline(settings) : buildOnline(settings);
  say(`built ${NAME}:${values.tag} for ${arch.image} in ${seconds(performance.now() - started)}`);
  console.log(`${built.archive} ${built.digest}`);
}

interface Settings {
  readonly arch: Arch;
  readonly tag: string;
  /** The image to build on, and the one to build in; undefined: the Containerfile's. */
  readonly base: string | undefined;
  readonly builder: string | undefined;
  /** Where the archive goes, and what it is made of meanwhile. */
  readonly folder: string;
}

function buildOnline(settings: Settings): Built {
  const { base, builder } = settings;
  const args = {
    ...(base === undefined ? {} : { BASE: base }),
    ...(builder === undefined ? {} : { BUILDER: builder }),
  };
  if (Bun.which("buildah") !== null) return withBuildah(settings, (run) => run.build(".", "Containerfile", args));
  if (Bun.which("docker") !== null) return withDocker(settings, args);
  throw new Error("neither buildah nor docker is installed: one of them is needed to build an image");
}

function buildOffline(settings: Settings): Built {
  if (Bun.which("buildah") === null) throw new Error("buildah is not installed; it is needed for --offline");
  const context = mkdtempSync(join(settings.folder, "tmp.context-"));
  try {
    copyFileSync("Containerfile", join(context, "Containerfile"));
    putBinary(settings.arch, join(context, "prebuilt", settings.arch.image, "device-api-server"));
    return withBuildah(settings, (run) => {
      const base = settings.base ?? localBase(run, settings, context);
      run.build(context, join(context, "Containerfile"), { BASE: base, BINARY: "prebuilt", BUILDER: "scratch" });
    });
  } finally {
    rmSync(context, { recursive: true, force: true });
  }
}

function localBase(run: Buildah, { arch, folder }: Settings, context: string): string {
  copyFileSync(makeBase(arch, folder), join(context, "base.tar"));
  writeFileSync(join(context, "Containerfile.base"), "FROM scratch\nADD base.tar /\n");
  run.build(context, join(context, "Containerfile.base"), {}, LOCAL_BASE);
  return LOCAL_BASE;
}

interface Buildah {
  build(context: string, file: string, args: Readonly<Record<string, string>>, tag?: string): void;
}

/** In a store of its own, which goes afterwards: what is built does not depend on what was built before. */
function withBuildah({ arch, tag, folder }: Settings, task: (run: Buildah) => void): Built {
  const store = mkdtempSync(join(folder, "tmp.store-"));
  const buildah = ["buildah", "--storage-driver=vfs", `--root=${store}/root`, `--runroot=${store}/run`];
  try {
    task({
      build(context, file, args, name = `${NAME}:${tag}`) {
        // Its own label would make the digest another one with each version of it.
        const plain = ["--timestamp=0", "--identity-label=false", "--format=oci"];
        const fixed = [...plain, "--isolation=chroot", `--platform=linux/${arch.image}`];
        must([...buildah, "build", ...fixed, ...buildArgs(args), "--tag", name, "--file", file, context]);
      },
    });
    const archive = archiveOf(arch, folder);
    rmSync(archive, { force: true });
    must([
      ...buildah,
      "push",
      `--digestfile=${store}/digest`,
      `${NAME}:${tag}`,
      `oci-archive:${archive}:${NAME}:${tag}`,
    ]);
    return { archive, digest: readFileSync(join(store, "digest"), "utf8") };
  } finally {
    rmSync(store, { recursive: true, force: true });
  }
}

function withDocker({ arch, tag, folder }: Settings, args: Readonly<Record<string, string>>): Built {
  const archive = archiveOf(arch, folder);
  const metadata = join(folder, `metadata-${arch.image}.json`);
  const output = `type=oci,dest=${archive},rewrite-timestamp=true,name=${NAME}:${tag}`;
  const fixed = [`--platform=linux/${arch.image}`, "--provenance=false", "--build-arg=SOURCE_DATE_EPOCH=0"];
  const files = ["--file=Containerfile", `--output=${output}`, `--metadata-file=${metadata}`];
  must(["docker", "buildx", "build", ...fixed, ...buildArgs(args), ...files, "."]);
  return { archive, digest: String(JSON.parse(readFileSync(metadata, "utf8"))["containerimage.digest"]) };
}

function archiveOf(arch: Arch, folder: string): string {
  return join(folder, `device-api-server-${arch.image}.tar`);
}

function buildArgs(args: Readonly<Record<string, string>>): string[] {
  const all = { VERSION: packageJson.version, REVISION: revision(), ...args };
  return Object.entries(all).map(([name, value]) => `--build-arg=${name}=${value}`);
}

/** Of the commit; that of a working tree with changes says so. */
function revision(): string {
  const done = Bun.spawnSync(["git", "describe", "--always", "--abbrev=40", "--dirty"], { stderr: "ignore" });
  return done.success ? done.stdout.toString().trim() : "unknown";
}
