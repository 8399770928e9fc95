import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { createFakeNvml, type FakeNvml } from "../../src/testing/fake-nvml.ts";
import { bootSystemdMachine, noSystemdMachine, type SystemdMachine } from "../support/systemd-machine.ts";

/**
 * The deb and the rpm on a machine with a real systemd, whose driver is the scripted library. Where there can be no
 * such machine the tests are skipped, and the count says so.
 */

const REPOSITORY = join(import.meta.dir, "../..");
const PACKAGES = join(REPOSITORY, "dist/packages");
const UNIT = "device-api-server.service";
const TARGET = "--target=unix:///run/device-api/device.sock";
/** Generous: a start takes well under a second. */
const LIMIT_MS = 30_000;

const obstacle = noSystemdMachine() ?? (Bun.which("nfpm") === null ? "nfpm is not there" : undefined);

interface Packager {
  readonly name: string;
  readonly tool: string;
  readonly install: (file: string) => readonly string[];
  readonly remove: readonly string[];
  /** What is left when the package is removed and nothing was changed. */
  readonly purge: readonly string[];
}

const PACKAGERS: readonly Packager[] = [
  {
    name: "deb",
    tool: "dpkg",
    install: (file) => ["dpkg", "--install", file],
    remove: ["dpkg", "--remove", "device-api-server"],
    purge: ["dpkg", "--purge", "device-api-server"],
  },
  {
    name: "rpm",
    tool: "rpm",
    // The files that it depends on belong to dpkg here.
    install: (file) => ["rpm", "--upgrade", "--nodeps", "--replacepkgs", file],
    remove: ["rpm", "--erase", "device-api-server"],
    purge: ["true"],
  },
];

function packageFile(kind: string): string {
  const file = readdirSync(PACKAGES).find((name) => name.endsWith(`.${kind}`));
  if (file === undefined) throw new Error(`no ${kind} in ${PACKAGES}`);
  return `/packages/${file}`;
}

async function eventually(machine: SystemdMachine, command: readonly string[], wanted: RegExp): Promise<string> {
  const end = performance.now() + LIMIT_MS;
  for (;;) {
    const { output } = await machine.run(...command);
    if (wanted.test(output)) return output;
    if (performance.now() > end) throw new Error(`${command.join(" ")} never said ${wanted}:\n${output}`);
    await Bun.sleep(50);
  }
}

/** Everything of ours below the folders where packages and services put things. */
async function traces(machine: SystemdMachine): Promise<readonly string[]> {
  const folders = ["/usr/bin", "/usr/lib/systemd", "/usr/lib/sysusers.d", "/usr/lib/tmpfiles.d", "/usr/share/doc"];
  const all = ["find", ...folders, "/etc", "/run", "-xdev", "-name", "*device-api*"];
  const { output } = await machine.run(...all);
  return output.split("\n").filter((line) => line !== "" && !line.startsWith("/run/systemd/"));
}

describe.skipIf(obstacle !== undefined)(`packages on a machine with systemd${obstacle ? ` (${obstacle})` : ""}`, () => {
  let driver: FakeNvml;
  let machine: SystemdMachine;

  beforeAll(async () => {
    const made = Bun.spawnSync(["bun", "scripts/package.ts"], { cwd: REPOSITORY, stderr: "pipe" });
    if (!made.success) throw new Error(made.stderr.toString());
    driver = createFakeNvml({ gpus: 2 });
    machine = await bootSystemdMachine({ "/packages": PACKAGES, "/driver": driver.root });
  });

  afterAll(async () => {
    await machine[Symbol.asyncDispose]();
    driver[Symbol.dispose]();
    expect(existsSync(driver.root)).toBe(false);
  });

  for (const packager of PACKAGERS) {
    test.skipIf(Bun.which(packager.tool) === null)(`the ${packager.name} is installed, serves, and goes`, async () => {
      await installed(machine, packager);
      await servesGpus(machine, driver);
      await isRestartedByItsWatchdog(machine);
      await isUpgraded(machine, packager);
      await removed(machine, packager);
    });
  }

  test("the unit's exposure is what the documentation says", async () => {
    const unit = join(REPOSITORY, "packaging", UNIT);
    const { stdout } = Bun.spawnSync(["systemd-analyze", "security", "--offline=true", unit]);
    const score = /Overall exposure level for .*: (\d+\.\d)/.exec(stdout.toString())?.[1];
    const page = await Bun.file(join(REPOSITORY, "docs/operations/bare-metal.md")).text();
    expect(page).toContain(`an exposure level of ${score} `);
  });
});

async function installed(machine: SystemdMachine, { install, name }: Packager): Promise<void> {
  expect(await traces(machine)).toEqual([]);
  await machine.must(...install(packageFile(name)));
  expect(await machine.must("systemctl", "is-enabled", UNIT)).toBe("enabled\n");
  expect(await machine.must("systemctl", "is-active", UNIT)).toBe("active\n");
  const folder = await machine.must("stat", "-c", "%a %U %G", "/run/device-api", "/run/nvidia-device-api");
  expect(folder).toBe("750 device-api device-api\n".repeat(2));
  const sockets = ["/run/device-api/device.sock", "/run/nvidia-device-api/device-api.sock"];
  expect(await machine.must("stat", "-c", "%a %U %G", ...sockets)).toBe("660 device-api device-api\n".repeat(2));
}

/** As its own user, hardened as the unit has it, with the process that holds the driver's library. */
async function servesGpus(machine: SystemdMachine, driver: FakeNvml): Promise<void> {
  const defaults = "/etc/default/device-api-server";
  const edit = `s|^DEVICE_API_NVML_DRIVER_ROOT=.*|DEVICE_API_NVML_DRIVER_ROOT=/driver|`;
  await machine.must("sed", "-i", edit, defaults);
  await machine.must("sh", "-c", `echo FAKE_NVML_CONTROL=/driver/control >> ${defaults}`);
  await machine.must("chmod", "-R", "a+rwX", "/driver");
  // A driver's library writes nothing; the scripted one counts its calls in its control file.
  await dropIn(machine, "ReadWritePaths=/driver");
  await machine.must("systemctl", "restart", UNIT);
  const get = ["device-api-server", "get", TARGET];
  await eventually(machine, get, /(^GPU-.*True.*\n){2}/m);
  driver.command("xid 0 79");
  await eventually(machine, get, /^GPU-.*False.*$/m);
  const refused = ["setpriv", "--reuid=12345", "--regid=12345", "--clear-groups", "device-api-server", "get", TARGET];
  expect((await machine.run(...refused)).code).not.toBe(0);
  const member = ["setpriv", "--reuid=12345", "--regid=device-api", "--clear-groups"];
  await machine.must(...member, "device-api-server", "get", TARGET);
  expect(await machine.must("systemctl", "show", UNIT, "--property=StatusText")).toContain(
    "serving on /run/device-api",
  );
}

async function isRestartedByItsWatchdog(machine: SystemdMachine): Promise<void> {
  await dropIn(machine, "WatchdogSec=500ms\\nTimeoutAbortSec=100ms");
  await machine.must("systemctl", "restart", UNIT);
  const mainPid = ["systemctl", "show", UNIT, "--property=MainPID", "--value"];
  const before = (await machine.must(...mainPid)).trim();
  await machine.must("kill", "-STOP", before);
  await eventually(machine, ["systemctl", "show", UNIT, "--property=NRestarts"], /NRestarts=1/);
  await eventually(machine, ["systemctl", "is-active", UNIT], /^active$/m);
  expect((await machine.must(...mainPid)).trim()).not.toBe(before);
  await dropIn(machine, "ReadWritePaths=/driver");
}

/** The settings that differ from the unit's own; lines are parted by "\\n". */
async function dropIn(machine: SystemdMachine, setting: string): Promise<void> {
  const folder = `/run/systemd/system/${UNIT}.d`;
  await machine.must("mkdir", "-p", folder);
  await machine.must("sh", "-c", `printf '[Service]\\n%b\\n' '${setting}' > ${folder}/test.conf`);
  await machine.must("systemctl", "daemon-reload");
}

/** The administrator's settings stay, and so does the folder that containers may have mounted. */
async function isUpgraded(machine: SystemdMachine, { install, name }: Packager): Promise<void> {
  const folder = ["stat", "-c", "%i", "/run/device-api"];
  const before = await machine.must(...folder);
  await machine.must(...install(packageFile(name)));
  expect(await machine.must("systemctl", "is-active", UNIT)).toBe("active\n");
  expect(await machine.must("grep", "-c", "FAKE_NVML_CONTROL", "/etc/default/device-api-server")).toBe("1\n");
  expect(await machine.must(...folder)).toBe(before);
}

async function removed(machine: SystemdMachine, { remove, purge }: Packager): Promise<void> {
  await machine.must(...remove);
  expect((await machine.run("systemctl", "is-active", UNIT)).output).toMatch(/inactive/);
  expect((await machine.run("pgrep", "-f", "device-api-server")).output).toBe("");
  await machine.must(...purge);
  const left = await traces(machine);
  // rpm keeps a changed file under another name.
  expect(left.filter((path) => !path.endsWith(".rpmsave"))).toEqual([]);
  await machine.must("rm", "-f", ...left);
}
