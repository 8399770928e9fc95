import { NVML_PROVIDER_ID, OPERATOR_ID, SIMULATED_PROVIDER_ID } from "../store/providers.ts";
import { SOCKET_PATH_BYTES_MAX } from "../transport/unix-socket-file.ts";
import { parseInteger, quoted, UsageError } from "./flags-kinds.ts";

/** What the configuration takes from the machine. */
export interface HostFacts {
  readonly hostname: string;
  /** The uid this process runs as. */
  readonly uid: number;
  /** The gid of a group's name, where there is such a group. */
  groupId(name: string): number | undefined;
}

/** 2^32-1 is the kernel's "no id". */
const ID_MAX = 2 ** 32 - 2;

export function parseIds(items: readonly string[], source: string, what: string): ReadonlySet<number> {
  return new Set(items.map((item) => parseId(item, source, what)));
}

function parseId(text: string, source: string, what: string): number {
  const id = parseInteger(text, 0, ID_MAX);
  if (id === undefined) throw new UsageError(`${source}: ${quoted(text)} is not ${what}: a whole number is needed`);
  return id;
}

/** Numbers, and `self` for the server's own. */
export function parseUids(items: readonly string[], own: number): ReadonlySet<number> {
  return new Set(items.map((item) => (item === "self" ? own : parseId(item, "--provider-uids", "a uid (or self)"))));
}

export function parseUnixSockets(paths: readonly string[]): readonly string[] {
  for (const path of paths) {
    const source = `--unix-socket: ${quoted(path)}`;
    if (!path.startsWith("/") || path.includes("\0")) throw new UsageError(`${source} is not an absolute path`);
    if (path.endsWith("/")) throw new UsageError(`${source} is a folder; give the path of the socket in it`);
    const bytes = new TextEncoder().encode(path).length;
    if (bytes > SOCKET_PATH_BYTES_MAX) {
      throw new UsageError(`${source} has ${bytes} bytes; the kernel takes ${SOCKET_PATH_BYTES_MAX}`);
    }
  }
  return [...new Set(paths)];
}

export function parseGroup(text: string, host: HostFacts): number | undefined {
  if (text === "") return undefined;
  const gid = /^\d+$/.test(text) ? parseInteger(text, 0, ID_MAX) : host.groupId(text);
  if (gid === undefined) throw new UsageError(`--socket-group: there is no group ${quoted(text)} on this machine`);
  return gid;
}

/** Looks a group up in the text of /etc/group. */
export function groupIdIn(groups: string, name: string): number | undefined {
  const line = groups.split("\n").find((candidate) => candidate.startsWith(`${name}:`));
  return parseInteger(line?.split(":")[2] ?? "", 0, ID_MAX);
}

/** The server's own providers: nobody outside may be tied to one of these. */
const RESERVED_PROVIDERS: ReadonlySet<string> = new Set([NVML_PROVIDER_ID, SIMULATED_PROVIDER_ID, OPERATOR_ID]);

/** `ID=UID` each; the id may hold further equals signs. */
export function parseProviderBindings(items: readonly string[]): ReadonlyMap<string, number> {
  const bindings = new Map<string, number>();
  for (const item of items) {
    const cut = item.lastIndexOf("=");
    const uid = parseInteger(item.slice(cut + 1), 0, ID_MAX);
    if (cut < 1 || uid === undefined) {
      throw new UsageError(`--provider: ${quoted(item)} is not ID=UID, such as health-monitor=1000`);
    }
    const id = item.slice(0, cut);
    if (RESERVED_PROVIDERS.has(id)) throw new UsageError(`--provider: ${id} is the server's own and takes no uid`);
    const before = bindings.get(id);
    if (before !== undefined && before !== uid) {
      throw new UsageError(`--provider: ${quoted(id)} is tied to uid ${before} and to uid ${uid}; give it one`);
    }
    bindings.set(id, uid);
  }
  return bindings;
}
