/**
 * A base like the public distroless ones, from Debian's packages, for machines that reach a Debian mirror and no image
 * registry: glibc, certificates, the few files of /etc that libraries read, and nothing that can be executed.
 */
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { say, seconds } from "../process.ts";
import { type Arch, isForeign } from "./arch.ts";
import { must } from "./tools.ts";

const PACKAGES = ["base-files", "netbase", "libc6", "libgcc-s1", "ca-certificates"];

/** Programs, and what only programs or people would read; what is left of a package is its libraries and data. */
const LEFT_OUT = [
  "bin",
  "sbin",
  "usr/bin",
  "usr/sbin",
  "usr/games",
  "usr/lib/*/gconv",
  "usr/share/man",
  "usr/share/info",
  "usr/share/locale",
  "usr/share/lintian",
  "usr/share/base-files",
  "usr/share/doc/*/*.gz",
  "usr/share/doc/*/README*",
  "usr/share/ca-certificates",
  "etc/profile.d",
  "etc/update-motd.d",
  "etc/ca-certificates",
  "boot",
  "root",
  "home",
  "usr/include",
  "usr/local",
  "usr/share/dict",
  "usr/share/doc/*/{FAQ,examples}",
  "var/cache",
  "var/backups",
  "var/lock",
  "var/run",
  "var/local",
  "var/mail",
  "var/spool",
];

const FILES: Readonly<Record<string, string>> = {
  "etc/passwd": [
    "root:x:0:0:root:/:/sbin/nologin",
    "nobody:x:65534:65534:nobody:/nonexistent:/sbin/nologin",
    "nonroot:x:65532:65532:nonroot:/nonexistent:/sbin/nologin",
    "",
  ].join("\n"),
  "etc/group": "root:x:0:\nnobody:x:65534:\nnonroot:x:65532:\n",
  "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n",
};

/** Writes the archive of the root folder, or leaves it if it is there: the same packages give the same bytes. */
export function makeBase(arch: Arch, folder: string): string {
  const archive = join(folder, `base-${arch.image}.tar`);
  if (readdirSync(folder).includes(basename(archive))) return archive;
  const started = performance.now();
  const debs = download(arch, folder);
  const root = join(folder, `tmp.base-${arch.image}`);
  rmSync(root, { recursive: true, force: true });
  mkdirSync(root);
  for (const deb of debs) unpack(deb, root);
  writeFileSync(join(root, "etc/ssl/certs/ca-certificates.crt"), certificates(root));
  for (const pattern of LEFT_OUT) {
    for (const path of new Bun.Glob(pattern).scanSync({ cwd: root, onlyFiles: false, dot: true })) {
      rmSync(join(root, path), { recursive: true, force: true });
    }
  }
  for (const [path, text] of Object.entries(FILES)) writeFileSync(join(root, path), text);
  symlinkSync("/run", join(root, "var/run"));
  const fixed = ["--sort=name", "--mtime=@0", "--owner=0", "--group=0", "--numeric-owner", "--format=gnu"];
  must(["tar", ...fixed, "-C", root, "-cf", `${archive}.part`, "."]);
  renameSync(`${archive}.part`, archive);
  rmSync(root, { recursive: true });
  say(`made a base from ${debs.length} Debian packages in ${seconds(performance.now() - started)}`);
  return archive;
}

function download(arch: Arch, folder: string): string[] {
  const into = join(folder, `debs-${arch.image}`);
  rmSync(into, { recursive: true, force: true });
  mkdirSync(into, { recursive: true });
  // apt's own lists are those of this machine's architecture.
  const options = isForeign(arch) ? foreignLists(arch, folder) : [];
  must(["apt-get", ...options, "download", ...PACKAGES], into);
  const debs = readdirSync(into).map((name) => join(into, name));
  return PACKAGES.map((name) => {
    const deb = debs.find((path) => basename(path).startsWith(`${name}_`));
    if (deb === undefined) throw new Error(`apt-get fetched no ${name}`);
    return deb;
  });
}

function foreignLists(arch: Arch, folder: string): string[] {
  const state = resolve(folder, `apt-${arch.image}`);
  mkdirSync(join(state, "lists/partial"), { recursive: true });
  writeFileSync(join(state, "status"), "");
  const options = {
    "APT::Architecture": arch.image,
    "APT::Architectures::": arch.image,
    "Dir::State": state,
    "Dir::State::status": join(state, "status"),
    "Dir::Cache": state,
    "APT::Sandbox::User": "root",
  };
  const flags = Object.entries(options).flatMap(([name, value]) => ["-o", `${name}=${value}`]);
  must(["apt-get", ...flags, "update"]);
  return flags;
}

function unpack(deb: string, root: string): void {
  must(["dpkg-deb", "-x", deb, root]);
  // Where scanners look for what an image without dpkg is made of.
  const status = join(root, "var/lib/dpkg/status.d");
  mkdirSync(status, { recursive: true });
  const [name = ""] = basename(deb).split("_");
  writeFileSync(join(status, name), must(["dpkg-deb", "-f", deb]));
}

function certificates(root: string): string {
  const folder = join(root, "usr/share/ca-certificates/mozilla");
  return readdirSync(folder)
    .sort()
    .map((name) => readFileSync(join(folder, name), "utf8"))
    .join("");
}
