import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as grpc from "@grpc/grpc-js";
import { createAuthority } from "../../../tests/support/certificates.ts";
import { startScriptedServer } from "../../../tests/support/scripted-server.ts";
import { GpuService } from "../../gen/device/v1alpha1/gpu_pb.ts";
import { ApiError } from "../errors.ts";
import { connect } from "./connect.ts";
import type { TlsOptions } from "./credentials.ts";

const { getGpu } = GpuService.method;
const authority = createAuthority();
const other = createAuthority("another authority");
const serverPair = authority.issue("server", ["localhost", "IP:127.0.0.1", "IP:::1"]);
const clientPair = authority.issue("client", ["URI:spiffe://node/monitor"]);
const bytes = (pem: string) => Buffer.from(pem);

async function startTlsServer(wantsClient: boolean, address = "localhost:0") {
  const pair = { private_key: bytes(serverPair.key), cert_chain: bytes(serverPair.cert) };
  const credentials = grpc.ServerCredentials.createSsl(bytes(authority.cert), [pair], wantsClient);
  const names: (string | undefined)[] = [];
  const server = await startScriptedServer(
    {
      getGpu: (_, call) => {
        names.push(call.getAuthContext().sslPeerCertificate?.subjectaltname);
        return {};
      },
    },
    { address, credentials },
  );
  return { ...server, names };
}

/** How a call went: OK, or the code and words of its error. */
async function outcome(target: string, tls: TlsOptions | undefined): Promise<string> {
  await using connection = connect({ target, ...(tls && { tls }), retry: { maxAttempts: 1 }, timeoutMs: 5_000 });
  try {
    await connection.unary(getGpu, {});
    return "OK";
  } catch (error) {
    return error instanceof ApiError ? `${error.code} ${error.details}` : `not an ApiError: ${String(error)}`;
  }
}

test("a server whose authority is known is called; by text, bytes and file", async () => {
  await using server = await startTlsServer(false);
  const folder = mkdtempSync(join(tmpdir(), "tls-"));
  const file = join(folder, "ca.pem");
  writeFileSync(file, authority.cert);
  for (const ca of [authority.cert, new Uint8Array(bytes(authority.cert)), { file }]) {
    expect(await outcome(server.target, { ca })).toBe("OK");
  }
  rmSync(folder, { recursive: true });
});

test("a server that is somebody else's is not called, nor one of another name, nor one without TLS", async () => {
  await using server = await startTlsServer(false);
  expect(await outcome(server.target, {})).toStartWith("UNAVAILABLE no connection to localhost:");
  expect(await outcome(server.target, { ca: other.cert })).toStartWith("UNAVAILABLE no connection to localhost:");
  const named = (serverName: string) => outcome(server.target, { ca: authority.cert, serverName });
  expect(await named("gpu.example")).toStartWith("UNAVAILABLE ");
  expect(await named("localhost")).toBe("OK");
  await using plain = await startScriptedServer({ getGpu: () => ({}) }, { address: "localhost:0" });
  expect(await outcome(plain.target, { ca: authority.cert })).not.toBe("OK");
  expect(await outcome(server.target, undefined)).toStartWith("UNAVAILABLE ");
});

test.each(["", "garbage", clientPair.key])(
  "authorities that are none are refused, and nothing is called",
  async (ca) => {
    await using server = await startTlsServer(false);
    const words = "FAILED_PRECONDITION tls.ca: it is not PEM: it has no -----BEGIN CERTIFICATE-----";
    expect(await outcome(server.target, { ca })).toBe(words);
    expect(await outcome(server.target, { ca: new Uint8Array(bytes(ca)) })).toBe(words);
    expect(server.names).toEqual([]);
  },
);

test("with mTLS the server knows the client by its certificate, and refuses one without or a foreign one", async () => {
  await using server = await startTlsServer(true);
  const { cert, key } = clientPair;
  expect(await outcome(server.target, { ca: authority.cert, cert, key })).toBe("OK");
  expect(server.names).toEqual(["URI:spiffe://node/monitor"]);
  expect(await outcome(server.target, { ca: authority.cert })).toStartWith("UNAVAILABLE ");
  const foreign = other.issue("client");
  expect(await outcome(server.target, { ca: authority.cert, ...foreign })).toStartWith("UNAVAILABLE ");
});

test("a server is called by its address where the certificate has it, and only there", async () => {
  await using server = await startTlsServer(false, "127.0.0.1:0");
  expect(await outcome(server.target, { ca: authority.cert })).toBe("OK");
  expect(await outcome(server.target, { ca: authority.cert, serverName: "127.0.0.2" })).toStartWith("UNAVAILABLE ");
  await using sixth = await startTlsServer(false, "[::1]:0");
  expect(await outcome(sixth.target, { ca: authority.cert })).toBe("OK");
});

test("TLS works on a unix socket, by the name that is given", async () => {
  const folder = mkdtempSync(join(tmpdir(), "tls-"));
  await using server = await startTlsServer(false, `unix:${join(folder, "s.sock")}`);
  expect(await outcome(server.target, { ca: authority.cert })).toBe("OK");
  expect(await outcome(server.target, { ca: authority.cert, serverName: "127.0.0.1" })).toBe("OK");
  expect(await outcome(server.target, { ca: authority.cert, serverName: "elsewhere" })).toStartWith("UNAVAILABLE ");
  rmSync(folder, { recursive: true });
});

test("files are read at each dial: a renewed certificate counts without a new connection", async () => {
  await using server = await startTlsServer(true);
  const folder = mkdtempSync(join(tmpdir(), "tls-"));
  const [cert, key] = [join(folder, "tls.crt"), join(folder, "tls.key")];
  const renew = (pair: { readonly cert: string; readonly key: string }) => {
    writeFileSync(cert, pair.cert);
    writeFileSync(key, pair.key);
  };
  const tls = { ca: authority.cert, cert: { file: cert }, key: { file: key } };
  await using connection = connect({ target: server.target, tls, retry: { maxAttempts: 1 } });
  const call = async () => {
    const error = await connection.unary(getGpu, {}).then(
      () => undefined,
      (thrown: ApiError) => thrown,
    );
    return error === undefined ? "OK" : `${error.code} ${error.details}`;
  };
  expect(await call()).toStartWith(`FAILED_PRECONDITION tls.`);
  renew({ cert: "no certificate", key: clientPair.key });
  expect(await call()).toBe("FAILED_PRECONDITION tls.cert: it is not PEM: it has no -----BEGIN CERTIFICATE-----");
  renew({ cert: clientPair.cert, key: "no key" });
  expect(await call()).toBe("FAILED_PRECONDITION tls.key: it is not PEM: it has no PRIVATE KEY-----");
  // PEM by its looks alone, as a file that was cut off.
  renew({ cert: clientPair.cert.slice(0, 200), key: clientPair.key });
  expect(await call()).toStartWith("FAILED_PRECONDITION tls: ");
  renew(other.issue("client"));
  expect(await call()).toStartWith("UNAVAILABLE ");
  renew(clientPair);
  expect(await call()).toBe("OK");
  rmSync(folder, { recursive: true });
});
