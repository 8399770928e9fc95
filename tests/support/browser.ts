import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Debian's; where it is missing, tests with a browser are skipped by name. */
const CHROMIUM = Bun.which("chromium") ?? "";
export const hasChromium = CHROMIUM !== "";

/** Nothing of it asks the network for anything but the page. */
const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--disable-sync",
  "--disable-background-networking",
  "--disable-component-update",
  "--no-first-run",
  "--hide-scrollbars",
  "--remote-debugging-port=0",
];
const START_LIMIT_MS = 60_000;
const WAIT_LIMIT_MS = 30_000;

type Json = Readonly<Record<string, unknown>>;

/** One tab of a headless Chromium with a profile of its own, driven over its debugging protocol. */
export interface Tab extends AsyncDisposable {
  send(method: string, parameters?: Json): Promise<Json>;
  /** Opens the address and waits until it is loaded. */
  open(url: string): Promise<void>;
  /** The value of an expression in the page; a promise is awaited. */
  read<T>(expression: string): Promise<T>;
  /** Resolves when the expression holds; rejects after a limit against hangs. */
  until(expression: string): Promise<void>;
  /** Presses keys one after the other, by their names: Tab, Enter, a. */
  press(...keys: readonly string[]): Promise<void>;
  screenshot(): Promise<Uint8Array>;
  /** Messages of the console, exceptions and violations of the page's policy, so far. */
  readonly complaints: readonly string[];
}

/** `flags` are more of the browser's own. */
export async function openTab(...flags: readonly string[]): Promise<Tab> {
  const profile = mkdtempSync(join(tmpdir(), "chromium-"));
  const browser = Bun.spawn([CHROMIUM, ...FLAGS, ...flags, `--user-data-dir=${profile}`, "about:blank"], {
    stdin: "ignore",
    stdout: "ignore",
    stderr: "ignore",
  });
  const close = async () => {
    browser.kill("SIGKILL");
    await browser.exited;
    rmSync(profile, { recursive: true, force: true });
  };
  try {
    const port = await debuggingPort(join(profile, "DevToolsActivePort"));
    const targets = (await (await fetch(`http://127.0.0.1:${port}/json/list`)).json()) as readonly Json[];
    const page = targets.find(({ type }) => type === "page");
    const connection = await connect(String(page?.["webSocketDebuggerUrl"]));
    for (const domain of ["Page", "Runtime", "Log", "Audits"]) await connection.send(`${domain}.enable`, {});
    return createTab(connection, close);
  } catch (error) {
    await close();
    throw error;
  }
}

async function debuggingPort(file: string): Promise<number> {
  const deadline = performance.now() + START_LIMIT_MS;
  while (performance.now() < deadline) {
    const port = existsSync(file) ? Number.parseInt(readFileSync(file, "utf8"), 10) : 0;
    if (port > 0) return port;
    await Bun.sleep(20);
  }
  throw new Error("chromium did not start");
}

interface Connection {
  send(method: string, parameters: Json): Promise<Json>;
  readonly complaints: readonly string[];
}

async function connect(url: string): Promise<Connection> {
  const socket = new WebSocket(url);
  await new Promise((resolve, reject) => {
    socket.onopen = resolve;
    socket.onerror = reject;
  });
  const waiting = new Map<number, PromiseWithResolvers<Json>>();
  const complaints: string[] = [];
  let sent = 0;
  socket.onmessage = ({ data }) => {
    const message = JSON.parse(String(data)) as {
      id?: number;
      result?: Json;
      error?: Json;
      method?: string;
      params?: Json;
    };
    if (message.id === undefined) {
      const complaint = complaintOf(message.method ?? "", message.params ?? {});
      if (complaint !== undefined) complaints.push(complaint);
      return;
    }
    const { error } = message;
    if (error === undefined) waiting.get(message.id)?.resolve(message.result ?? {});
    else waiting.get(message.id)?.reject(new Error(JSON.stringify(error)));
    waiting.delete(message.id);
  };
  return {
    complaints,
    send(method, params) {
      const answer = Promise.withResolvers<Json>();
      waiting.set(++sent, answer);
      socket.send(JSON.stringify({ id: sent, method, params }));
      return answer.promise;
    },
  };
}

function complaintOf(method: string, params: Json): string | undefined {
  switch (method) {
    case "Runtime.consoleAPICalled":
    case "Runtime.exceptionThrown":
    case "Log.entryAdded":
    case "Audits.issueAdded":
      return `${method} ${JSON.stringify(params)}`;
    default:
      return undefined;
  }
}

const KEYS: Readonly<Record<string, Json>> = {
  Tab: { key: "Tab", code: "Tab", windowsVirtualKeyCode: 9 },
  Enter: { key: "Enter", code: "Enter", windowsVirtualKeyCode: 13, text: "\r" },
  " ": { key: " ", code: "Space", windowsVirtualKeyCode: 32, text: " " },
};

function createTab(connection: Connection, close: () => Promise<void>): Tab {
  const { send } = connection;
  const read = async <T>(expression: string): Promise<T> => {
    const evaluated = await send("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true });
    const { result, exceptionDetails } = evaluated as { result: { value: T }; exceptionDetails?: unknown };
    if (exceptionDetails !== undefined) throw new Error(`${expression}: ${JSON.stringify(exceptionDetails)}`);
    return result.value;
  };
  const until = async (expression: string): Promise<void> => {
    const deadline = performance.now() + WAIT_LIMIT_MS;
    while (!(await read<boolean>(`Boolean(${expression})`))) {
      if (performance.now() > deadline) throw new Error(`not within ${WAIT_LIMIT_MS} ms: ${expression}`);
      await Bun.sleep(20);
    }
  };
  return {
    complaints: connection.complaints,
    send: (method, parameters = {}) => send(method, parameters),
    read,
    until,
    async open(url) {
      await send("Page.navigate", { url });
      await until(`location.href === ${JSON.stringify(url)} && document.readyState === "complete"`);
    },
    async press(...keys) {
      for (const name of keys) {
        const key = KEYS[name] ?? { key: name, text: name };
        await send("Input.dispatchKeyEvent", { type: "keyDown", ...key });
        await send("Input.dispatchKeyEvent", { type: "keyUp", ...key });
      }
    },
    async screenshot() {
      const { data } = await send("Page.captureScreenshot", { format: "png" });
      return Buffer.from(String(data), "base64");
    },
    [Symbol.asyncDispose]: close,
  };
}
