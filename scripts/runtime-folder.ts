import { existsSync, lstatSync, mkdirSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";

export const SOCKET_NAME = "device.sock";

/** Where `run` has its socket: a folder for this user alone; undefined, and one line said, where there can be none. */
export function runtimeFolder(): string | undefined {
  const runtime = process.env["XDG_RUNTIME_DIR"];
  const { uid } = userInfo();
  const folder = runtime && existsSync(runtime) ? join(runtime, "device-api") : join(tmpdir(), `device-api-${uid}`);
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const found = lstatSync(folder);
    // In a temporary folder that all may write, another user may have been there first.
    if (found.isDirectory() && found.uid === uid && (found.mode & 0o077) === 0) return folder;
    console.error(`run: ${folder} is not a folder of yours with mode 0700: remove it, or set XDG_RUNTIME_DIR`);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    console.error(`run: no folder for the socket (${reason}): set XDG_RUNTIME_DIR to a folder that you may write`);
  }
  return undefined;
}
