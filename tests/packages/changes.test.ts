import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  EARLIER,
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

/** What becomes of a service and its settings where one version of the deb or rpm takes the place of another. */

const obstacle = noSystemdMachine() ?? (Bun.which("nfpm") === null ? "nfpm is not there" : undefined);

/** What an administrator may have done, and the state before and after any change of versions. */
const ADMINISTRATORS: readonly { readonly does: readonly string[]; readonly state: string }[] = [
  { does: ["stop"], state: "enabled inactive" },
  { does: ["disable"], state: "disabled active" },
  { does: ["disable", "--now"], state: "disabled inactive" },
  { does: ["mask"], state: "masked active" },
  { does: ["mask", "--now"], state: "masked inactive" },
];

/** The words of scripts that go wrong. */
const TROUBLE = /fail|error|cannot|no such|not found|warning: %/i;

describe.skipIf(obstacle !== undefined)(`changes of the packages${obstacle ? ` (${obstacle})` : ""}`, () => {
  let machine: SystemdMachine;

  beforeAll(async () => {
    makePackages();
    makePackages(`--version=${EARLIER}`);
    machine = await bootSystemdMachine({ [PACKAGES_INSIDE]: PACKAGES });
  });

  afterAll(async () => machine[Symbol.asyncDispose]());

  for (const packager of PACKAGERS) {
    const { name, tool, remove, purge } = packager;
    const earlier = () => packager.install(packageFile(name, EARLIER));
    const present = () => packager.install(packageFile(name));

    describe.skipIf(Bun.which(tool) === null)(name, () => {
      test("an upgrade, a downgrade and the same again restart the service and keep its settings", async () => {
        await quietly(machine, earlier());
        expect(await stateOf(machine)).toBe("enabled active");
        await machine.must("sh", "-c", `echo DEVICE_API_HEALTH_PORT=18081 >> ${SETTINGS}`);
        const folders = ["stat", "-c", "%i", "/run/device-api", "/run/nvidia-device-api"];
        const before = await machine.must(...folders);
        for (const change of [present(), earlier(), earlier()]) {
          const pid = await mainPid(machine);
          await quietly(machine, change);
          expect(await stateOf(machine)).toBe("enabled active");
          expect(await mainPid(machine)).not.toBe(pid);
          expect(await machine.must(...folders)).toBe(before);
          expect(await machine.must("cat", SETTINGS)).toContain("18081");
        }
      });

      for (const { does, state } of ADMINISTRATORS) {
        test(`after systemctl ${does.join(" ")} the service stays ${state}`, async () => {
          await machine.must("systemctl", ...does, UNIT);
          expect(await stateOf(machine)).toBe(state);
          for (const change of [present(), earlier()]) {
            await quietly(machine, change);
            expect(await stateOf(machine)).toBe(state);
          }
          await machine.must("systemctl", "unmask", UNIT);
          await machine.must("systemctl", "enable", "--now", UNIT);
          expect(await stateOf(machine)).toBe("enabled active");
        });
      }

      test("a removal stops it and keeps changed settings; installed again, it is enabled and runs", async () => {
        await quietly(machine, remove);
        expect((await machine.run("pgrep", "-f", "device-api-server")).output).toBe("");
        expect((await traces(machine)).filter((path) => path.startsWith("/run/"))).toEqual([]);
        await quietly(machine, present());
        expect(await stateOf(machine)).toBe("enabled active");
      });

      test("a service that is masked can be removed, and stays masked", async () => {
        await machine.must("systemctl", "mask", UNIT);
        await quietly(machine, remove);
        expect((await machine.run("pgrep", "-f", "device-api-server")).output).toBe("");
        await quietly(machine, present());
        expect(await stateOf(machine)).toBe("masked inactive");
        await machine.must("systemctl", "unmask", UNIT);
        await machine.must("systemctl", "enable", "--now", UNIT);
      });

      test("without a systemd that runs it is enabled and not started, and goes", async () => {
        await machine.must(...remove);
        await machine.must(...purge);
        expect(await leftovers(machine)).toEqual([]);
        await quietly(machine, withoutSystemd(present()));
        expect(await stateOf(machine)).toBe("enabled inactive");
        expect((await machine.run("pgrep", "-f", "device-api-server")).output).toBe("");
        await quietly(machine, withoutSystemd(earlier()));
        await quietly(machine, withoutSystemd(remove));
        await machine.must(...purge);
        expect(await leftovers(machine)).toEqual([]);
      });
    });
  }

  test.skipIf(Bun.which("dpkg") === null)("deb: the machine's policy against starts is followed", async () => {
    const [deb] = PACKAGERS as readonly [Packager];
    const policy = "/usr/sbin/policy-rc.d";
    await machine.must("sh", "-c", `printf '#!/bin/sh\\nexit 101\\n' > ${policy} && chmod +x ${policy}`);
    await machine.must(...deb.install(packageFile("deb")));
    expect(await stateOf(machine)).toBe("enabled inactive");
    await machine.must("rm", policy);
    await machine.must("systemctl", "start", UNIT);
    await machine.must(...deb.purge);
    expect((await machine.run("pgrep", "-f", "device-api-server")).output).toBe("");
    expect(await traces(machine)).toEqual([]);
  });

  test.skipIf(Bun.which("dpkg") === null)("deb: a purge takes the settings, which a removal leaves", async () => {
    const [deb] = PACKAGERS as readonly [Packager];
    await machine.must(...deb.install(packageFile("deb")));
    await machine.must("sh", "-c", `echo DEVICE_API_HEALTH_PORT=18081 >> ${SETTINGS}`);
    await machine.must(...deb.remove);
    expect(await machine.must("cat", SETTINGS)).toContain("18081");
    await quietly(machine, deb.purge);
    expect(await traces(machine)).toEqual([]);
  });
});

/** Runs the command of a packager, which must have nothing to complain about. */
async function quietly(machine: SystemdMachine, command: readonly string[]): Promise<void> {
  const output = await machine.must(...command);
  expect(output.replaceAll(/^dpkg: warning: downgrading .*$/gm, "")).not.toMatch(TROUBLE);
}

/** As in a root folder that is made for another machine: there is no systemd to talk to. */
function withoutSystemd(command: readonly string[]): readonly string[] {
  return ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs tmpfs /run && exec "$@"', "sh", ...command];
}

/** rpm keeps a changed file under another name. */
async function leftovers(machine: SystemdMachine): Promise<readonly string[]> {
  await machine.run("rm", "-f", `${SETTINGS}.rpmsave`);
  return traces(machine);
}
