import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** Serves packages that are on this machine already as npm's registry does, so that a test can install without one. */
export interface PackageRegistry extends AsyncDisposable {
  readonly url: string;
}

interface Manifest {
  readonly name: string;
  readonly version: string;
}

interface Offered {
  readonly manifest: Manifest;
  /** A folder that is packed when it is asked for, or a tarball. */
  readonly place: string;
}

/** `tarball`: the package under test; everything else is taken from `modules`, as it is installed there. */
export function startPackageRegistry(modules: string, tarball: string, manifest: Manifest): PackageRegistry {
  const offered = [{ manifest, place: tarball }, ...installedIn(modules)];
  const server: Bun.Server<undefined> = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch({ url }): Response {
      const [name = "", version] = decodeURIComponent(new URL(url).pathname.slice(1)).split("/-/");
      const versions = offered.filter((candidate) => candidate.manifest.name === name);
      if (version === undefined && versions.length > 0) return Response.json(describe(name, versions, server.url.href));
      const wanted = versions.find((candidate) => candidate.manifest.version === version);
      return wanted === undefined ? new Response("not found", { status: 404 }) : new Response(read(wanted.place));
    },
  });
  return { url: server.url.href, [Symbol.asyncDispose]: () => server.stop(true) };
}

function describe(name: string, versions: readonly Offered[], url: string): object {
  const described = versions.map(({ manifest }) => {
    const tarball = `${url}${encodeURIComponent(name)}/-/${manifest.version}`;
    return [manifest.version, { ...manifest, dist: { tarball } }] as const;
  });
  return { name, "dist-tags": { latest: described[0]?.[0] }, versions: Object.fromEntries(described) };
}

function read(place: string): Uint8Array<ArrayBuffer> {
  if (place.endsWith(".tgz")) return new Uint8Array(readFileSync(place));
  const options = ["--exclude=./node_modules", "--transform=s,^[.],package,"];
  const tar = Bun.spawnSync(["tar", "--create", "--gzip", ...options, "--directory", place, "."]);
  if (!tar.success) throw new Error(`tar of ${place}: ${tar.stderr}`);
  return new Uint8Array(tar.stdout);
}

/** With the packages that are installed inside of others, where two versions of one are needed. */
function* installedIn(modules: string): Generator<Offered> {
  if (!existsSync(modules)) return;
  const names = readdirSync(modules).flatMap((name) =>
    name.startsWith("@") ? readdirSync(join(modules, name)).map((inner) => `${name}/${inner}`) : [name],
  );
  for (const place of names.map((name) => join(modules, name))) {
    const file = join(place, "package.json");
    if (!existsSync(file)) continue;
    yield { manifest: JSON.parse(readFileSync(file, "utf8")) as Manifest, place };
    yield* installedIn(join(place, "node_modules"));
  }
}
