import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Clientset, createClientset } from "../../src/client/clientset.ts";
import { connect } from "../../src/client/connection/connect.ts";
import { createFakeClientset } from "../../src/client/fake/fake-clientset.ts";
import { startFakeServer } from "../../src/client/fake/fake-server.ts";

/** Something that keeps the wire contract, empty at first. Runs on Bun and on Node. */
export interface Backend extends AsyncDisposable {
  readonly clientset: Clientset;
}

export type StartBackend = () => Promise<Backend>;

export const FAKE_BACKENDS: Readonly<Record<string, StartBackend>> = {
  async "the fake clientset"() {
    return { clientset: createFakeClientset(), async [Symbol.asyncDispose]() {} };
  },
  async "the fake server on TCP"() {
    const server = await startFakeServer(createFakeClientset().fake);
    return dial(server.target, () => server.stop());
  },
  async "the fake server on a unix socket"() {
    const folder = await mkdtemp(join(tmpdir(), "das-fake-"));
    const server = await startFakeServer(createFakeClientset().fake, { socketPath: join(folder, "fake.sock") });
    return dial(server.target, async () => {
      await server.stop();
      await rm(folder, { recursive: true });
    });
  },
};

/** A clientset on a connection of its own, closed before the server is. */
export function dial(target: string, stop: () => Promise<void>): Backend {
  const connection = connect({ target });
  return {
    clientset: createClientset(connection),
    async [Symbol.asyncDispose]() {
      await connection.close();
      await stop();
    },
  };
}
