import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** What an image's container is started from; `runc` needs root. */
export interface Bundle extends Disposable {
  readonly rootfs: string;
  /** What the image says of itself. */
  readonly image: ImageConfig;
  /** What the image says, as umoci turned it into a runtime's configuration. */
  readonly process: ImageProcess;
  /** Runs a command to its end, as kubelet would with the chart's security context. */
  run(options: RunOptions): Promise<Ended>;
  /** Starts the container and leaves it running. */
  start(options: RunOptions): Started;
}

interface ImageConfig {
  readonly architecture: string;
  readonly os: string;
  readonly config: { readonly Labels?: Readonly<Record<string, string>>; readonly ExposedPorts?: object };
}

interface ImageProcess {
  readonly user: { readonly uid: number; readonly gid: number };
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly cwd: string;
}

export interface RunOptions {
  readonly args: readonly string[];
  readonly user?: { readonly uid: number; readonly gid: number };
  /** Default: none. */
  readonly capabilities?: readonly string[];
  /** Folders of the host that the container has, by their paths in it. */
  readonly folders: Readonly<Record<string, string>>;
}

export interface Ended {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}

export interface Started extends AsyncDisposable {
  /** As the host sees it. */
  pid(): number;
  exec(args: readonly string[]): Promise<Ended>;
  /** Ends it at once; what it had written. */
  kill(): Promise<Ended>;
  /** SIGTERM; resolves to the exit status. */
  stop(): Promise<number>;
}

export function unpackImage(archive: string, reference: string): Bundle {
  const folder = mkdtempSync(join(tmpdir(), "das-image-"));
  const layout = join(folder, "layout");
  mkdirSync(layout);
  must(["tar", "-xf", archive, "-C", layout]);
  must(["umoci", "unpack", "--image", `${layout}:${reference}`, join(folder, "bundle")]);
  const bundle = join(folder, "bundle");
  const config = JSON.parse(readFileSync(join(bundle, "config.json"), "utf8"));
  let count = 0;
  const write = (options: RunOptions): string[] => {
    writeFileSync(join(bundle, "config.json"), JSON.stringify(configure(config, options)));
    return ["runc", "--root", join(folder, "state"), "run", "--bundle", bundle, `das-${process.pid}-${count++}`];
  };
  return {
    rootfs: join(bundle, "rootfs"),
    image: imageConfigIn(layout),
    process: config.process,
    run: (options) => ended(write(options)),
    start(options) {
      const command = write(options);
      return started(command, join(folder, "state"), String(command.at(-1)));
    },
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** The only image of an OCI layout. */
function imageConfigIn(layout: string): ImageConfig {
  const read = (path: string) => JSON.parse(readFileSync(join(layout, path), "utf8"));
  const blob = (digest: string) => read(join("blobs", digest.replace(":", "/")));
  return blob(blob(read("index.json").manifests[0].digest).config.digest);
}

/** A read-only root, no capability but those given, no new privileges: what the chart asks of kubelet. */
function configure(config: Record<string, object>, options: RunOptions): object {
  const capabilities = options.capabilities ?? [];
  const image = config["process"] as ImageProcess;
  const mounts = Object.entries(options.folders).map(([destination, source]) => {
    return { destination, source, type: "bind", options: ["bind", "rw", "nosuid", "nodev", "noexec"] };
  });
  return {
    ...config,
    root: { path: "rootfs", readonly: true },
    process: {
      ...image,
      terminal: false,
      args: [...image.args, ...options.args],
      user: options.user ?? image.user,
      capabilities: { bounding: capabilities, effective: capabilities, permitted: capabilities },
      noNewPrivileges: true,
    },
    mounts: [...(config["mounts"] as unknown as object[]), ...mounts],
  };
}

function started(command: readonly string[], state: string, id: string): Started {
  const child = Bun.spawn([...command], { stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  const runc = (...args: string[]) => ended(["runc", "--root", state, ...args]);
  return {
    pid() {
      const found = Bun.spawnSync(["runc", "--root", state, "state", id]).stdout.toString();
      return Number(JSON.parse(found)["pid"]);
    },
    exec: (args) => runc("exec", id, ...args),
    async kill() {
      await runc("delete", "--force", id);
      const [out, err] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
      return { status: await child.exited, out, err };
    },
    async stop() {
      await runc("kill", id, "TERM");
      return await child.exited;
    },
    async [Symbol.asyncDispose]() {
      await runc("delete", "--force", id);
      await child.exited;
    },
  };
}

async function ended(command: readonly string[]): Promise<Ended> {
  const child = Bun.spawn([...command], { stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  const [out, err] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  return { status: await child.exited, out, err };
}

function must(command: readonly string[]): void {
  const done = Bun.spawnSync([...command], { stdout: "pipe", stderr: "pipe" });
  if (!done.success) throw new Error(`failed: ${command.join(" ")}\n${done.stdout}${done.stderr}`);
}
