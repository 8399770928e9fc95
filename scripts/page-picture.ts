/**
 * Makes a picture of the page for people, as a desk shows it in light colours and a phone in dark ones:
 * `bun scripts/page-picture.ts [docs/operations/page.png]`. The server runs on scripted GPUs, some of which have
 * faults. Needs the binary and Chromium; no part of the checks.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createFakeNvml } from "../src/testing/fake-nvml.ts";
import { spawnBinary } from "../tests/support/binary.ts";
import { openTab, type Tab } from "../tests/support/browser.ts";

const PICTURE = resolve(process.argv[2] ?? "docs/operations/page.png");
const HEIGHT = 540;
const DESK = { width: 1_200, height: HEIGHT, deviceScaleFactor: 1, mobile: false };
const PHONE = { width: 340, height: HEIGHT, deviceScaleFactor: 1, mobile: true };
const GAP = 16;
const FAULTS = ["gpu 6 remap_pending=1 remapped_uncorrected=3", "xid 2 79"];
const UNHEALTHY = `document.querySelectorAll('.gpu[data-health="unhealthy"]').length`;
const FIRST_EVENT = `(document.querySelector("#event-list > li")?.innerText ?? "")`;

await using open = new AsyncDisposableStack();
const fake = open.use(createFakeNvml({ gpus: 8 }));
const nvml = ["--enable-nvml-provider", `--nvml-driver-root=${fake.root}`];
const server = open.use(await spawnBinary([...nvml, "--node-name=gpu-node-7"], fake.env));
const tab = open.use(await openTab());
await tab.send("Emulation.setDeviceMetricsOverride", DESK);
await tab.open(`${server.uiUrl}/`);
await tab.until(`document.querySelectorAll(".gpu").length === 8`);
await Bun.sleep(5_000);
for (const command of FAULTS) {
  fake.command(command);
  await Bun.sleep(3_000);
}
await tab.until(`${UNHEALTHY} === 2 && ${FIRST_EVENT}.includes("Xid 79")`);
const desk = await shot(tab, DESK, "light", `document.querySelector(".gpu summary").click()`);
const phone = await shot(tab, PHONE, "dark", `document.querySelector(".gpu summary").click()`);
writeFileSync(PICTURE, await sideBySide(tab, [desk, phone]));
console.log(PICTURE);

async function shot(tab: Tab, metrics: typeof DESK, scheme: string, step: string): Promise<Uint8Array> {
  await tab.send("Emulation.setDeviceMetricsOverride", metrics);
  await tab.send("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value: scheme }] });
  await tab.read(step);
  await Bun.sleep(300);
  return tab.screenshot();
}

async function sideBySide(tab: Tab, pictures: readonly Uint8Array[]): Promise<Uint8Array> {
  const folder = mkdtempSync(join(tmpdir(), "page-picture-"));
  const images = pictures.map((picture, i) => {
    writeFileSync(join(folder, `${i}.png`), picture);
    return `<img src="${i}.png">`;
  });
  const style = `body{margin:0;background:#888;display:flex;gap:${GAP}px}`;
  writeFileSync(join(folder, "page.html"), `<!doctype html><style>${style}</style>${images.join("")}`);
  const width = DESK.width + GAP + PHONE.width;
  await tab.send("Emulation.setDeviceMetricsOverride", { ...DESK, width });
  await tab.open(`file://${join(folder, "page.html")}`);
  const picture = await tab.screenshot();
  rmSync(folder, { recursive: true, force: true });
  return picture;
}
