import { createConnection, type Socket } from "node:net";
import { HELLO } from "./http2-frames.ts";

/** As gRPC clients do: after a connection that failed, so long, each time longer, and none at the same time. */
const FIRST_PAUSE_MS = 1_000;
const PAUSE_FACTOR = 1.6;
const PAUSE_JITTER = 0.2;

interface Client {
  socket: Socket;
  timer: ReturnType<typeof setTimeout> | undefined;
  state: "trying" | "served" | "gone";
}

/** Clients that want a connection, and try again for as long as they have none. */
export class RetryingClients implements Disposable {
  readonly #path: string;
  readonly #clients: Client[] = [];
  /** Connections that were accepted and closed without a word. */
  refused = 0;

  constructor(path: string, count: number) {
    this.#path = path;
    for (let i = 0; i < count; i++) this.#add();
  }

  get served(): number {
    return this.#clients.filter(({ state }) => state === "served").length;
  }

  /** Those that are served leave for good. */
  leave(): void {
    for (const client of this.#clients) if (client.state === "served") end(client);
  }

  [Symbol.dispose](): void {
    for (const client of this.#clients) end(client);
  }

  #add(): void {
    const client: Client = { socket: createConnection(this.#path), timer: undefined, state: "trying" };
    this.#clients.push(client);
    this.#follow(client, FIRST_PAUSE_MS);
  }

  #follow(client: Client, pauseMs: number): void {
    const { socket } = client;
    let isConnected = false;
    socket.on("error", () => {});
    socket.once("connect", () => {
      isConnected = true;
      socket.write(HELLO);
    });
    socket.once("data", () => {
      if (client.state === "trying") client.state = "served";
    });
    socket.once("close", () => {
      if (client.state === "gone") return;
      client.state = "trying";
      if (isConnected) this.refused++;
      const jitter = 1 + PAUSE_JITTER * (2 * Math.random() - 1);
      client.timer = setTimeout(() => {
        client.socket = createConnection(this.#path);
        this.#follow(client, pauseMs * PAUSE_FACTOR);
      }, pauseMs * jitter);
    });
  }
}

function end(client: Client): void {
  client.state = "gone";
  clearTimeout(client.timer);
  client.socket.destroy();
}
