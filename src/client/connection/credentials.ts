import { isIP } from "node:net";
import { checkServerIdentity, createSecureContext } from "node:tls";
import * as grpc from "@grpc/grpc-js";
import { ApiError } from "../errors.ts";
import type { Target } from "../target.ts";

/** PEM text, or the file that has it, which is read at each dial: a renewed certificate counts from the next one on. */
export type Pem = string | Uint8Array | { readonly file: string };

export interface TlsOptions {
  /** Whose certificates the server may have. Default: the authorities that the runtime trusts. */
  readonly ca?: Pem;
  /** For mTLS, with `key`: who this client is. Default: nobody. */
  readonly cert?: Pem;
  readonly key?: Pem;
  /** The name or address that the server's certificate is for. Default: the target's host; of a socket, localhost. */
  readonly serverName?: string;
}

/** Throws ApiError, INVALID_ARGUMENT. */
export function checkTls(tls: TlsOptions): void {
  if ((tls.cert === undefined) === (tls.key === undefined)) return;
  const [given, missing] = tls.cert === undefined ? ["key", "cert"] : ["cert", "key"];
  throw new ApiError("INVALID_ARGUMENT", `tls.${given} is given without tls.${missing}: they go together`);
}

/**
 * The name that is told to the server in the handshake. The library would tell an address as well, which runtimes
 * refuse as a name: then it is a name that stands for nothing, and the certificate is checked for the address.
 */
export function toldName(target: Target, tls: TlsOptions): string {
  const name = expectedName(target, tls);
  return isIP(name) === 0 ? name : "localhost";
}

function expectedName({ address }: Target, { serverName }: TlsOptions): string {
  const host = /^dns:\[?(.*?)\]?:\d+$/.exec(address)?.[1];
  return serverName ?? host ?? "localhost";
}

/** Rejects with ApiError, FAILED_PRECONDITION: a file that cannot be read, or PEM that is none. */
export async function loadCredentials(target: Target, tls: TlsOptions | undefined): Promise<grpc.ChannelCredentials> {
  if (tls === undefined) return grpc.credentials.createInsecure();
  const name = expectedName(target, tls);
  const [ca, cert, key] = await Promise.all([load("ca", tls.ca), load("cert", tls.cert), load("key", tls.key)]);
  try {
    const pem = { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) };
    const context = createSecureContext({ ...pem, minVersion: "TLSv1.3" });
    return grpc.credentials.createFromSecureContext(context, {
      checkServerIdentity: (_, certificate) => checkServerIdentity(name, certificate),
    });
  } catch (error) {
    throw unusable("tls", error);
  }
}

/** What each has to have in it: Node takes a `ca` without, and then trusts nobody, or whom it trusts by default. */
const MARKS = {
  ca: "-----BEGIN CERTIFICATE-----",
  cert: "-----BEGIN CERTIFICATE-----",
  key: "PRIVATE KEY-----",
} as const;

async function load(name: keyof typeof MARKS, pem: Pem | undefined): Promise<string | Buffer | undefined> {
  if (pem === undefined) return undefined;
  const content = await contentOf(name, pem);
  if (content.includes(MARKS[name])) return content;
  throw unusable(`tls.${name}`, `it is not PEM: it has no ${MARKS[name]}`);
}

async function contentOf(name: string, pem: Pem): Promise<string | Buffer> {
  if (typeof pem === "string") return pem;
  if (pem instanceof Uint8Array) return Buffer.from(pem);
  try {
    // Not at the top: there it is loaded with every program that has the client in it, TLS or not.
    const { readFile } = await import("node:fs/promises");
    return await readFile(pem.file);
  } catch (error) {
    throw unusable(`tls.${name}`, error);
  }
}

function unusable(name: string, error: unknown): ApiError {
  const words = error instanceof Error ? error.message : String(error);
  return new ApiError("FAILED_PRECONDITION", `${name}: ${words}`, "", { cause: error });
}
