import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import packageJson from "../../package.json" with { type: "json" };
import { type Bundle, type Started, unpackImage } from "./bundle.ts";

/** T-SUP-1 for the image: built offline, twice, and run as the chart runs it. */

const TOOLS = ["buildah", "umoci", "runc", "apt-get", "dpkg-deb"];
const missing = TOOLS.filter((tool) => Bun.which(tool) === null);
const canRun = process.getuid?.() === 0 && missing.length === 0;
const root = join(import.meta.dir, "../..");

/** A group of which neither root's processes nor the server's are members. */
const GROUP = 4_321;
const SOCKET_FOLDER = "/var/run/device-api";
const READY_LIMIT_MS = 30_000;

let built: { archive: string; digest: string };
let bundle: Bundle;
let host: string;
let folders: Record<string, string>;

function build(...args: readonly string[]): { archive: string; digest: string } {
  const done = Bun.spawnSync([process.execPath, "scripts/image/image.ts", "--offline", ...args], { cwd: root });
  if (!done.success) throw new Error(done.stderr.toString());
  const [archive = "", digest = ""] = done.stdout.toString().trim().split(" ");
  return { archive, digest };
}

/** The machine that a program is for, as its ELF header says. */
const machineOf = (file: string) => readFileSync(file).readUInt16LE(18);
const MACHINE_OF_ARM64 = 183;

async function socketAppears(server: Started, socket: string): Promise<void> {
  const deadline = performance.now() + READY_LIMIT_MS;
  while (!existsSync(socket)) {
    if (performance.now() > deadline) throw new Error(`no socket: ${JSON.stringify(await server.kill())}`);
    await Bun.sleep(50);
  }
}

/** Each regular file and link of the image, by its path in it. */
function* filesOf(folder: string, at = ""): Generator<string> {
  for (const entry of readdirSync(join(folder, at), { withFileTypes: true })) {
    const path = `${at}/${entry.name}`;
    if (entry.isDirectory()) yield* filesOf(folder, path);
    else yield path;
  }
}

describe.skipIf(!canRun)(`the image (needs root and ${TOOLS.join(", ")})`, () => {
  beforeAll(() => {
    built = build();
    bundle = unpackImage(built.archive, `localhost/device-api-server:${packageJson.version}`);
    host = mkdtempSync(join(tmpdir(), "das-host-"));
    chmodSync(host, 0o755);
    mkdirSync(join(host, "device-api"));
    folders = { [SOCKET_FOLDER]: join(host, "device-api") };
  });

  afterAll(() => {
    bundle[Symbol.dispose]();
    rmSync(host, { recursive: true, force: true });
  });

  test("a second build gives the same digest", () => {
    expect(build().digest).toBe(built.digest);
  });

  test("nothing in it can be executed but the binary and the loader's libraries", () => {
    const programs = [...filesOf(bundle.rootfs)].filter((path) => {
      const found = lstatSync(join(bundle.rootfs, path));
      return found.isFile() && (found.mode & 0o111) !== 0;
    });
    expect(programs.filter((path) => !/\.so(\.\d+)*$/.test(path))).toEqual(["/usr/bin/device-api-server"]);
    expect([...filesOf(bundle.rootfs)].filter((path) => /\/(ba|da|a)?sh$|busybox/.test(path))).toEqual([]);
  });

  test("it says who runs what, and takes the two variables away that would run something else", () => {
    const { user, args, cwd, env } = bundle.process;
    expect({ user, args, cwd }).toEqual({
      user: { uid: 65_532, gid: 65_532 },
      args: ["/usr/bin/device-api-server"],
      cwd: "/",
    });
    expect(env).toEqual(expect.arrayContaining(["BUN_OPTIONS=", "BUN_BE_BUN="]));
  });

  test("its labels say what it is, and nothing of what built it", () => {
    const commit = Bun.spawnSync(["git", "rev-parse", "HEAD"], { cwd: root }).stdout.toString().trim();
    expect(bundle.image.config.Labels).toEqual({
      "org.opencontainers.image.title": "device-api-server",
      "org.opencontainers.image.description": expect.stringMatching(/^Node-local server .*\.$/),
      "org.opencontainers.image.licenses": packageJson.license,
      "org.opencontainers.image.version": packageJson.version,
      "org.opencontainers.image.revision": expect.stringMatching(new RegExp(`^(${commit}(-dirty)?|unknown)$`)),
    });
    expect(bundle.image.config.ExposedPorts).toEqual({ "8081/tcp": {}, "9090/tcp": {} });
  });

  test("that for another architecture has its binary and its libraries", () => {
    const { archive } = build("--arch=arm64");
    using other = unpackImage(archive, `localhost/device-api-server:${packageJson.version}`);
    expect(other.image).toMatchObject({ architecture: "arm64", os: "linux" });
    expect(other.image.config).toEqual(bundle.image.config);
    for (const file of ["usr/bin/device-api-server", "lib/aarch64-linux-gnu/libc.so.6"]) {
      expect([file, machineOf(join(other.rootfs, file))]).toEqual([file, MACHINE_OF_ARM64]);
    }
  });

  test("the binary is the one that was built, and nobody may write it", () => {
    const path = join(bundle.rootfs, "usr/bin/device-api-server");
    const digestOf = (file: string) => new Bun.CryptoHasher("sha256").update(readFileSync(file)).digest("hex");
    expect(digestOf(path)).toBe(digestOf(join(root, "dist/device-api-server")));
    expect([statSync(path).uid, statSync(path).mode & 0o777]).toEqual([0, 0o555]);
  });

  describe("run with a read-only root and a folder of the host", () => {
    let server: Started | undefined;

    beforeAll(async () => {
      const asRoot = { user: { uid: 0, gid: GROUP }, capabilities: ["CAP_CHOWN"] };
      const args = ["prepare-socket-dir", "--uid=65532", `--gid=${GROUP}`, SOCKET_FOLDER];
      expect(await bundle.run({ ...asRoot, args, folders })).toMatchObject({ status: 0, err: "" });
      server = bundle.start({ args: ["serve", "--simulate=2", "--shutdown-delay=0", "--provider-uids=0"], folders });
      await socketAppears(server, join(host, "device-api/device.sock"));
    });

    afterAll(async () => {
      await server?.[Symbol.asyncDispose]();
    });

    test("it serves as uid 65532 without a capability, and can write nothing but that folder", async () => {
      const status = readFileSync(`/proc/${server?.pid()}/status`, "utf8");
      expect(status).toMatch(/^Uid:\t65532\t65532\t65532\t65532$/m);
      expect(status).toMatch(/^CapEff:\t0{16}$/m);
      expect(status).toMatch(/^CapBnd:\t0{16}$/m);
      const mounts = readFileSync(`/proc/${server?.pid()}/mountinfo`, "utf8").split("\n");
      expect(mounts.find((line) => line.split(" ")[4] === "/")?.split(" ")[5]).toMatch(/^ro\b/);
    });

    test("its healthcheck answers, by the probe's own command", async () => {
      expect(await server?.exec(["/usr/bin/device-api-server", "healthcheck"])).toEqual({
        status: 0,
        out: "SERVING\n",
        err: "",
      });
    });

    test("the socket is the group's, though the server is not in it", () => {
      const { uid, gid, mode } = statSync(join(host, "device-api/device.sock"));
      expect({ uid, gid, mode: mode & 0o777 }).toEqual({ uid: 65_532, gid: GROUP, mode: 0o660 });
    });

    test.each([
      ["a member of the group reads", 1_500, GROUP, "", "OK"],
      ["one with the group as a supplementary one reads", 1_500, 1_500, String(GROUP), "OK"],
      ["others do not even connect", 1_500, 1_500, "", "UNAVAILABLE"],
      ["nor do others of the server's own group", 1_500, 65_532, "", "UNAVAILABLE"],
    ])("%s", async (_, uid, gid, groups, code) => {
      const target = `unix://${join(host, "device-api/device.sock")}`;
      const script = join(root, "tests/support/call-as.ts");
      const ids = [String(uid), String(gid), groups];
      const child = Bun.spawn([process.execPath, script, target, ...ids, '[["listGpus",{}]]'], { stdout: "pipe" });
      expect(JSON.parse(await new Response(child.stdout).text())).toMatchObject([{ code }]);
    });

    test("it ends well on SIGTERM, and takes its socket away", async () => {
      expect(await server?.stop()).toBe(0);
      expect(readdirSync(join(host, "device-api"))).toEqual([]);
    });
  });
});
