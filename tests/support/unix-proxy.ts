import { connect, createServer, type Server, type Socket } from "node:net";

/** Stands between a client and a unix socket, and lets connections through, late, or not at all. */
export class UnixProxy {
  /** How late each piece arrives, in both directions. */
  delayMs = 0;
  readonly #path: string;
  readonly #target: string;
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;

  constructor(path: string, target: string) {
    this.#path = path;
    this.#target = target;
  }

  open(): Promise<void> {
    return new Promise((resolve, reject) => {
      const server = createServer((socket) => this.#join(socket, connect(this.#target)));
      server.on("error", reject);
      server.listen(this.#path, resolve);
      this.#server = server;
    });
  }

  /** The socket's file is gone, and every connection with it. */
  async close(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    if (this.#server === undefined) resolve();
    else this.#server.close(() => resolve());
    this.#server = undefined;
    this.drop();
    await promise;
  }

  /** Ends every connection that is open. */
  drop(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #join(client: Socket, server: Socket): void {
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      const inTurn = this.#createLine();
      this.#sockets.add(from);
      from.on("data", (bytes) => inTurn(() => to.destroyed || to.write(bytes)));
      from.on("error", () => {});
      from.on("close", () => {
        this.#sockets.delete(from);
        inTurn(() => to.destroy());
      });
    }
  }

  /** Runs what it is given so much later, one after the other. */
  #createLine(): (task: () => void) => void {
    let line = Promise.resolve();
    return (task) => {
      const dueMs = performance.now() + this.delayMs;
      line = line.then(async () => {
        const ms = dueMs - performance.now();
        if (ms > 0) await new Promise((resolve) => setTimeout(resolve, ms));
        task();
      });
    };
  }
}
