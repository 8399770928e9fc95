import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { createFakeNvml, type FakeNvml } from "../../src/testing/fake-nvml.ts";
import { waitsForEvents } from "../support/nvml-events.ts";
import {
  eventually,
  mainPid,
  makePackages,
  PACKAGERS,
  PACKAGES,
  PACKAGES_INSIDE,
  type Packager,
  packageFile,
  SETTINGS,
  stateOf,
  traces,
  UNIT,
} from "../support/packagers.ts";
import { bootSystemdMachine, noSystemdMachine, type SystemdMachine } from "../support/systemd-machine.ts";

/**
 * The deb and the rpm on a machine with a real systemd, whose driver is the scripted library. Where there can be no
 * such machine the tests are skipped, and the count says so.
 */

const REPOSITORY = join(import.meta.dir, "../..");
const TARGET = "--target=unix:///run/device-api/device.sock";

const obstacle = noSystemdMachine() ?? (Bun.which("nfpm") === null ? "nfpm is not there" : undefined);

describe.skipIf(obstacle !== undefined)(`packages on a machine with systemd${obstacle ? ` (${obstacle})` : ""}`, () => {
  let driver: FakeNvml;
  let machine: SystemdMachine;

  beforeAll(async () => {
    makePackages();
    driver = createFakeNvml({ gpus: 2 });
    machine = await bootSystemdMachine({ [PACKAGES_INSIDE]: PACKAGES, "/driver": driver.root });
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
  expect(await stateOf(machine)).toBe("enabled active");
  const folder = await machine.must("stat", "-c", "%a %U %G", "/run/device-api", "/run/nvidia-device-api");
  expect(folder).toBe("750 device-api device-api\n".repeat(2));
  const sockets = ["/run/device-api/device.sock", "/run/nvidia-device-api/device-api.sock"];
  expect(await machine.must("stat", "-c", "%a %U %G", ...sockets)).toBe("660 device-api device-api\n".repeat(2));
}

/** As its own user, hardened as the unit has it, with the process that holds the driver's library. */
async function servesGpus(machine: SystemdMachine, driver: FakeNvml): Promise<void> {
  const edit = `s|^DEVICE_API_NVML_DRIVER_ROOT=.*|DEVICE_API_NVML_DRIVER_ROOT=/driver|`;
  await machine.must("sed", "-i", edit, SETTINGS);
  await machine.must("sh", "-c", `echo FAKE_NVML_CONTROL=/driver/control >> ${SETTINGS}`);
  await machine.must("chmod", "-R", "a+rwX", "/driver");
  // A driver's library writes nothing; the scripted one counts its calls in its control file.
  await dropIn(machine, "ReadWritePaths=/driver");
  await machine.must("systemctl", "restart", UNIT);
  const get = ["device-api-server", "get", TARGET];
  await eventually(machine, get, /(^GPU-.*True.*\n){2}/m);
  await waitsForEvents(driver);
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
  const before = await mainPid(machine);
  await machine.must("kill", "-STOP", before);
  await eventually(machine, ["systemctl", "show", UNIT, "--property=NRestarts"], /NRestarts=1/);
  await eventually(machine, ["systemctl", "is-active", UNIT], /^active$/m);
  expect(await mainPid(machine)).not.toBe(before);
  await dropIn(machine, "ReadWritePaths=/driver");
}

/** The settings that differ from the unit's own; lines are parted by "\\n". */
async function dropIn(machine: SystemdMachine, setting: string): Promise<void> {
  const folder = `/run/systemd/system/${UNIT}.d`;
  await machine.must("mkdir", "-p", folder);
  await machine.must("sh", "-c", `printf '[Service]\\n%b\\n' '${setting}' > ${folder}/test.conf`);
  await machine.must("systemctl", "daemon-reload");
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
  // The user's id may own files elsewhere.
  await machine.must("getent", "passwd", "device-api");
}
