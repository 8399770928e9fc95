import { connect, type Socket } from "node:net";

export interface RawAnswer {
  readonly status: number;
  /** By name in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Sends the bytes as they are and resolves to what came until the other side closed; undefined where nothing did. */
export function askRaw(port: number, bytes: string): Promise<RawAnswer | undefined> {
  return new Promise((resolve, reject) => {
    let received = "";
    const socket = connect(port, "127.0.0.1", () => socket.write(bytes));
    socket.setEncoding("utf8");
    socket.on("data", (text) => {
      received += text;
    });
    socket.on("error", () => {});
    socket.on("close", () => resolve(parseAnswer(received)));
    socket.setTimeout(60_000, () => reject(new Error("no end within 60 s")));
  });
}

/** A GET with these headers in the place of a client's own. */
export const getRaw = (port: number, path: string, headers: Readonly<Record<string, string>>) =>
  askRaw(port, requestText(path, headers));

export function requestText(path: string, headers: Readonly<Record<string, string>>, method = "GET"): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${method} ${path} HTTP/1.1\r\n${lines.join("")}\r\n`;
}

/** Resolves once the connection is open. */
export function openRaw(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1", () => resolve(socket));
    socket.on("error", reject);
  });
}

export function closedRaw(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    socket.on("error", () => {});
    socket.on("close", () => resolve());
    socket.resume();
  });
}

function parseAnswer(text: string): RawAnswer | undefined {
  const [head = "", ...rest] = text.split("\r\n\r\n");
  const [first = "", ...lines] = head.split("\r\n");
  const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(first)?.[1] ?? 0);
  if (status === 0) return undefined;
  const headers = Object.fromEntries(
    lines.map((line) => line.split(/: ?(.*)/, 2)).map(([a = "", b = ""]) => [a.toLowerCase(), b]),
  );
  return { status, headers, body: rest.join("\r\n\r\n") };
}
