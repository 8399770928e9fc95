import * as grpc from "@grpc/grpc-js";

/** Plays the checks of the conformance tests as grpc-js on Node: one line of JSON for each, with what was seen. */

const MIB = 2 ** 20;
const SERVICE = "/test.Clients/";
const CANCEL_AFTER_MS = 200;

const client = new grpc.Client(process.argv[2] ?? "", grpc.credentials.createInsecure(), {
  "grpc.max_receive_message_length": 8 * MIB,
  "grpc.max_send_message_length": 8 * MIB,
});
const same = (bytes: Buffer): Buffer => bytes;

interface Options extends grpc.CallOptions {
  readonly metadata?: grpc.Metadata;
  readonly isCancelled?: boolean;
}

interface Outcome {
  readonly reply: Buffer;
  readonly error: grpc.ServiceError | null;
}

function unary(method: string, request: string | Buffer, options: Options = {}): Promise<Outcome> {
  const { metadata = new grpc.Metadata(), isCancelled = false, ...call } = options;
  return new Promise((resolve) => {
    const path = method.startsWith("/") ? method : SERVICE + method;
    const done = (error: grpc.ServiceError | null, reply?: Buffer) =>
      resolve({ error, reply: reply ?? Buffer.alloc(0) });
    const open = client.makeUnaryRequest(path, same, same, Buffer.from(request), metadata, call, done);
    if (isCancelled) setTimeout(() => open.cancel(), CANCEL_AFTER_MS);
  });
}

function stream(method: string, request: string, options: grpc.CallOptions = {}) {
  return client.makeServerStreamRequest(SERVICE + method, same, same, Buffer.from(request), options);
}

interface Counted {
  readonly status: grpc.StatusObject;
  readonly messages: number;
  readonly bytes: number;
}

function count(call: grpc.ClientReadableStream<Buffer>): Promise<Counted> {
  let messages = 0;
  let bytes = 0;
  call.on("data", (message: Buffer) => {
    messages++;
    bytes += message.length;
  });
  call.on("error", () => {});
  return new Promise((resolve) => call.on("status", (status) => resolve({ status, messages, bytes })));
}

const codeOf = ({ code }: { readonly code: number }) => String(grpc.status[code]);
const told = (status: { readonly code: number; readonly details: string } | null) =>
  status === null || status.code === grpc.status.OK ? "OK" : `${codeOf(status)} ${status.details}`;
const textOf = ({ error, reply }: Outcome) => `${told(error)} ${reply}`;
const failure = ({ error }: Outcome) => (error === null ? "OK" : codeOf(error));
const inMs = (ms: number) => ({ deadline: Date.now() + ms });

async function counted(request: string): Promise<string> {
  const { status, messages, bytes } = await count(stream("Count", request));
  return `${told(status)} ${messages} ${bytes}`;
}

async function held(tag: string, options: grpc.CallOptions, isCancelled: boolean): Promise<string> {
  const call = stream("Hold", tag, options);
  if (isCancelled) setTimeout(() => call.cancel(), CANCEL_AFTER_MS);
  const { status, messages } = await count(call);
  return `${codeOf(status)} ${messages}`;
}

/** What all have seen, where they have seen the same. */
async function parallel(times: number, run: (i: number) => Promise<string>): Promise<string> {
  const all = new Set(await Promise.all(Array.from({ length: times }, (_, i) => run(i))));
  return [...all].join(", others saw ");
}

async function large(): Promise<string> {
  const request = Buffer.alloc(4 * MIB, 7);
  const { error, reply } = await unary("Echo", request);
  return `${told(error)} ${reply.length} ${reply.equals(request)}`;
}

async function failLate(): Promise<string> {
  const { status, messages } = await count(stream("FailLate", ""));
  return `${told(status)} ${messages}`;
}

async function withMetadata(): Promise<string> {
  const metadata = new grpc.Metadata();
  metadata.set("x-text", "v".repeat(6_000));
  metadata.set("x-bin", Buffer.from([0, 0xff, 0x80]));
  return textOf(await unary("Echo", "hi", { metadata }));
}

/** grpc-js compresses what the channel says; its calls have no say in it. */
async function compressed(): Promise<string> {
  const zipping = new grpc.Client(process.argv[2] ?? "", grpc.credentials.createInsecure(), {
    "grpc.default_compression_algorithm": grpc.compressionAlgorithms.gzip,
  });
  const reply = await new Promise<Buffer>((resolve, reject) =>
    zipping.makeUnaryRequest(`${SERVICE}Echo`, same, same, Buffer.alloc(100_000, "a"), (error, bytes) =>
      error === null ? resolve(bytes ?? Buffer.alloc(0)) : reject(error),
    ),
  );
  zipping.close();
  return `OK ${reply.length}`;
}

/** All have their first message while all are open, and end when they are cancelled. */
async function sideBySide(): Promise<string> {
  const calls = Array.from({ length: 1_000 }, () => stream("Hold", "node many"));
  const ends = calls.map((call) => count(call));
  await Promise.all(calls.map((call) => new Promise<void>((resolve) => call.once("data", () => resolve()))));
  for (const call of calls) call.cancel();
  return [...new Set((await Promise.all(ends)).map(({ status }) => codeOf(status)))].join();
}

const checks: Readonly<Record<string, () => Promise<string>>> = {
  unary: async () => textOf(await unary("Echo", "hi")),
  "unary of 4 MiB both ways": large,
  "10 times 4 MiB at once": () =>
    parallel(10, async (i) => {
      const { error, reply } = await unary("Echo", Buffer.alloc(4 * MIB, i));
      return `${told(error)} ${reply.length}`;
    }),
  "a message over the limit": async () => failure(await unary("Echo", Buffer.alloc(5 * MIB))),
  compressed,
  "a stream of 10,000 messages": () => counted("10000 10"),
  "a stream of 50 MiB": () => counted(`50 ${MIB}`),
  "a status with a text": async () => told((await unary("Fail", "")).error),
  "a status behind messages": failLate,
  "an unknown method": async () => failure(await unary("Nope", "")),
  "an unknown service": async () => failure(await unary("/test.Nope/Nope", "")),
  "a deadline of a unary call": async () => failure(await unary("Wait", "node deadline", inMs(200))),
  "a deadline of a stream": () => held("node deadline of a stream", inMs(200), false),
  "a deadline of a year": async () => textOf(await unary("Echo", "hi", inMs(366 * 24 * 3_600_000))),
  "a cancelled unary call": async () => failure(await unary("Wait", "node cancel", { isCancelled: true })),
  "a cancelled stream": () => held("node cancel of a stream", {}, true),
  metadata: withMetadata,
  "1,000 calls at once": () =>
    parallel(1_000, async (i) => {
      const { error, reply } = await unary("Echo", String(i));
      return `${told(error)} ${reply.toString() === String(i)}`;
    }),
  "1,000 streams at once": () => parallel(1_000, () => counted("20 100")),
  "1,000 streams that are open side by side": sideBySide,
};

for (const [name, check] of Object.entries(checks)) console.log(JSON.stringify({ name, seen: await check() }));
client.close();
