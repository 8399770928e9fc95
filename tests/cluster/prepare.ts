/**
 * The part of `just test-cluster` that still has this machine's network: makes the parts of the node and the images,
 * and becomes the node. prepare.ts FOLDER PART [--docs]
 */
import { mkdirSync } from "node:fs";
import { basename, join } from "node:path";
import { mountOwnGroups } from "./cgroups.ts";
import { scratchImage } from "./images.ts";
import { provideParts } from "./parts.ts";
import { run } from "./processes.ts";

const SHOWN: ["ignore", "inherit", "inherit"] = ["ignore", "inherit", "inherit"];

const [folder = "", part = "", ...options] = process.argv.slice(2);
const images = join(folder, "images");

await mountOwnGroups();
const bin = provideParts(basename(folder), (line) => console.log(line));
// It says itself what it builds.
if (part === "all") await Bun.spawn(["bun", "scripts/go-tools.ts", "helm3"], { stdio: SHOWN }).exited;
const started = performance.now();
console.log("making the images");
mkdirSync(images);
await run(["bun", "scripts/image/image.ts", "--offline", "--tag=test", `--folder=${images}`]);
await scratchImage("localhost/pause:3.10", join(bin, "pause"), images);
await scratchImage("localhost/grpcurl:test", join(bin, "grpcurl"), images);
console.log(`made the images in ${Math.round((performance.now() - started) / 1_000)} s`);
const inside = ["unshare", "--net", "bun", join(import.meta.dir, "inside.ts"), bin, folder, part, ...options];
const env = { ...process.env, DEVICE_API_HELM: join(bin, "helm") };
const child = Bun.spawn(inside, { env, stdio: SHOWN });
process.exit(await child.exited);
