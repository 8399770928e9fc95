import { join } from "node:path";

/** Prints each datagram as one line of JSON; the runtime of the tests has no such sockets. */
const RECEIVER = `
import json, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print('"bound"', flush=True)
while True: print(json.dumps(s.recv(4096).decode()), flush=True)
`;

export interface DatagramReceiver extends AsyncDisposable {
  readonly path: string;
  /** What came so far. */
  readonly received: readonly string[];
}

/** A service manager's end of NOTIFY_SOCKET, below a folder. */
export async function receiveDatagrams(folder: string): Promise<DatagramReceiver> {
  const path = join(folder, "notify");
  const child = Bun.spawn(["python3", "-c", RECEIVER, path], { stdout: "pipe", stderr: "inherit" });
  const received: string[] = [];
  const bound = Promise.withResolvers<void>();
  const reading = read(child.stdout, (message) => {
    if (message === "bound") bound.resolve();
    else received.push(message);
  });
  await Promise.race([bound.promise, reading.then(() => Promise.reject(new Error("python3 cannot receive")))]);
  return {
    path,
    received,
    async [Symbol.asyncDispose]() {
      child.kill();
      await child.exited;
    },
  };
}

async function read(stream: ReadableStream<Uint8Array>, onMessage: (message: string) => void): Promise<void> {
  let rest = "";
  const decoder = new TextDecoder();
  for await (const chunk of stream) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) onMessage(String(JSON.parse(line)));
  }
}
