/**
 * A process of its own that acts on a unix socket as another user; prints one line of JSON. Loaded as root, so that it
 * needs no permission on the files of the project.
 *
 * Arguments: UID GID GROUPS ACTION PATH, with GROUPS comma-separated, or `kept`.
 * - `connect`: connects, says so, and stays until its standard input ends.
 * - `listen`: listens as the server does; prints what stopped it.
 */
import { connect } from "node:net";
import { systemClock, systemScheduler } from "../../src/base/clock.ts";
import { silentLogger } from "../../src/base/log.ts";
import { shim } from "../../src/native/shim.ts";
import { createConnectionGate } from "../../src/transport/connection-gate.ts";
import { listenUnix } from "../../src/transport/unix-listener.ts";

const [uid = "", gid = "", groups = "", action = "", path = ""] = process.argv.slice(2);

shim();
if (uid !== "") {
  if (groups !== "kept") process.setgroups?.(groups === "" ? [] : groups.split(",").map(Number));
  process.setgid?.(Number(gid));
  process.setuid?.(Number(uid));
}
console.log(JSON.stringify(await (action === "connect" ? tryConnect() : tryListen())));
await Bun.stdin.text();
process.exit(0);

function tryConnect(): Promise<string> {
  return new Promise((resolve) => {
    connect(path, () => resolve("connected")).on("error", (error) =>
      resolve("code" in error ? String(error.code) : ""),
    );
  });
}

async function tryListen(): Promise<string> {
  const gate = createConnectionGate({
    maxConnections: 10,
    maxConnectionsPerUid: 10,
    clock: systemClock,
    scheduler: systemScheduler,
    log: silentLogger,
    onConnection: () => {},
  });
  try {
    const ownUid = process.getuid?.() ?? 0;
    await listenUnix({ path, ownUid, gate, scheduler: systemScheduler, log: silentLogger });
    return "listening";
  } catch (error) {
    return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  }
}
