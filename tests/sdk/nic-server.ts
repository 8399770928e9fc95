import { create, type DescMessage, type FileRegistry, fromBinary, toBinary } from "@bufbuild/protobuf";
import * as grpc from "@grpc/grpc-js";

/** As create() takes it. */
export interface NicInit {
  readonly metadata: { readonly name: string; readonly resourceVersion: string };
  readonly linkUp: boolean;
}

/** A NicService of a few lines, on the descriptors alone: it shares nothing with the SDK and its fakes. */
export interface NicServer extends AsyncDisposable {
  readonly target: string;
  /** Where each watch began. */
  readonly watchedFrom: readonly string[];
  /** Writes a state, or deletes the NIC where there is none, and tells the watches. */
  write(name: string, linkUp: boolean | undefined): void;
  /** Ends every watch with this code. */
  endWatches(code: grpc.status): void;
}

type Watch = grpc.ServerWritableStream<Buffer, Buffer>;

const FIRST_VERSION = 100;

export async function startNicServer(registry: FileRegistry): Promise<NicServer> {
  const message = (name: string): DescMessage => {
    const found = registry.getMessage(`acme.device.v1alpha1.${name}`);
    if (found === undefined) throw new Error(`nic.proto has no ${name}`);
    return found;
  };
  const encode = (name: string, init: Record<string, unknown>) =>
    Buffer.from(toBinary(message(name), create(message(name), init)));
  const nics = new Map<string, NicInit>();
  const watches = new Set<Watch>();
  const watchedFrom: string[] = [];
  let version = FIRST_VERSION;

  const list: grpc.handleUnaryCall<Buffer, Buffer> = (_, callback) => {
    const nicList = { metadata: { resourceVersion: String(version) }, items: [...nics.values()] };
    callback(null, encode("ListNicsResponse", { nicList }));
  };
  const watch = (call: Watch) => {
    const { opts } = fromBinary(message("WatchNicsRequest"), call.request) as { opts?: { resourceVersion: string } };
    watchedFrom.push(opts?.resourceVersion ?? "");
    watches.add(call);
    call.on("cancelled", () => watches.delete(call));
  };
  const server = new grpc.Server();
  server.register("/acme.device.v1alpha1.NicService/ListNics", list, same, same, "unary");
  server.register("/acme.device.v1alpha1.NicService/WatchNics", watch, same, same, "serverStream");
  const port = await new Promise<number>((resolve, reject) => {
    const done = (error: Error | null, bound: number) => (error === null ? resolve(bound) : reject(error));
    server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), done);
  });
  return {
    target: `127.0.0.1:${port}`,
    watchedFrom,
    write(name, linkUp) {
      version++;
      const before = nics.get(name);
      const object = {
        metadata: { name, resourceVersion: String(version) },
        linkUp: linkUp ?? before?.linkUp ?? false,
      };
      if (linkUp === undefined) nics.delete(name);
      else nics.set(name, object);
      const type = linkUp === undefined ? "DELETED" : before === undefined ? "ADDED" : "MODIFIED";
      for (const call of watches) call.write(encode("WatchNicsResponse", { type, object }));
    },
    endWatches(code) {
      for (const call of watches) call.emit("error", { code, details: "ended by the test" });
      watches.clear();
    },
    async [Symbol.asyncDispose]() {
      server.forceShutdown();
    },
  };
}

const same = (bytes: Buffer): Buffer => bytes;
