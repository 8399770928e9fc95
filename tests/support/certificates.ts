import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";

/**
 * X.509 certificates for a test, made on the spot: an authority and what it signs. Only what a TLS 1.3 handshake looks
 * at is in them (RFC 5280): names, a P-256 key, validity, the authority's mark and alternative names.
 */
export interface Certificate {
  /** PEM. */
  readonly cert: string;
  /** PEM, PKCS 8. */
  readonly key: string;
}

export interface Authority extends Certificate {
  /** Signs a certificate for these names: "localhost", "IP:127.0.0.1" or "URI:spiffe://…". */
  issue(name: string, alternatives?: readonly string[]): Certificate;
}

export function createAuthority(name = "test authority"): Authority {
  const { publicKey, privateKey } = newKey();
  const own = certificate({ subject: name, issuer: name, publicKey, signer: privateKey, extensions: [IS_AUTHORITY] });
  return {
    ...own,
    key: pkcs8(privateKey),
    issue(subject, alternatives = []) {
      const pair = newKey();
      const extensions = alternatives.length === 0 ? [] : [alternativeNames(alternatives)];
      const issued = { subject, issuer: name, publicKey: pair.publicKey, signer: privateKey, extensions };
      return { ...certificate(issued), key: pkcs8(pair.privateKey) };
    },
  };
}

interface Contents {
  readonly subject: string;
  readonly issuer: string;
  readonly publicKey: KeyObject;
  readonly signer: KeyObject;
  readonly extensions: readonly Buffer[];
}

let serial = 1;

function certificate({ subject, issuer, publicKey, signer, extensions }: Contents): { readonly cert: string } {
  const day = 86_400_000;
  const validity = sequence(utcTime(Date.now() - day), utcTime(Date.now() + day));
  const signed = sequence(
    tagged(0xa0, integer(2)),
    integer(serial++),
    ECDSA_SHA256,
    distinguishedName(issuer),
    validity,
    distinguishedName(subject),
    publicKey.export({ type: "spki", format: "der" }),
    ...(extensions.length === 0 ? [] : [tagged(0xa3, sequence(...extensions))]),
  );
  const signature = sign("sha256", signed, signer);
  return { cert: pem("CERTIFICATE", sequence(signed, ECDSA_SHA256, bitString(signature))) };
}

const newKey = () => generateKeyPairSync("ec", { namedCurve: "P-256" });
const pkcs8 = (key: KeyObject): string => String(key.export({ type: "pkcs8", format: "pem" }));

function pem(label: string, der: Buffer): string {
  const lines = der.toString("base64").match(/.{1,64}/g) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ""].join("\n");
}

/** Tag, length, contents: all of DER that is needed here. */
function tagged(tag: number, ...contents: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(contents);
  const { length } = body;
  const head = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...head]), body]);
}

const sequence = (...parts: readonly Uint8Array[]): Buffer => tagged(0x30, ...parts);
/** 0 to 32767. */
const integer = (value: number): Buffer =>
  tagged(0x02, Buffer.from(value < 0x80 ? [value] : [value >> 8, value & 0xff]));
const oid = (hex: string): Buffer => tagged(0x06, Buffer.from(hex, "hex"));
const octets = (bytes: Uint8Array): Buffer => tagged(0x04, bytes);
const bitString = (bytes: Uint8Array): Buffer => tagged(0x03, Buffer.from([0]), bytes);
const utf8 = (text: string): Buffer => tagged(0x0c, Buffer.from(text));
const TRUE = tagged(0x01, Buffer.from([0xff]));

/** YYMMDDhhmmssZ. */
function utcTime(ms: number): Buffer {
  const digits = new Date(ms).toISOString().replace(/\D/g, "");
  return tagged(0x17, Buffer.from(`${digits.slice(2, 14)}Z`));
}

/** CN alone: 2.5.4.3. */
const distinguishedName = (name: string): Buffer => sequence(tagged(0x31, sequence(oid("550403"), utf8(name))));

/** 1.2.840.10045.4.3.2. */
const ECDSA_SHA256 = sequence(oid("2a8648ce3d040302"));
/** basicConstraints, critical: cA. */
const IS_AUTHORITY = sequence(oid("551d13"), TRUE, octets(sequence(TRUE)));

/** subjectAltName. */
function alternativeNames(names: readonly string[]): Buffer {
  return sequence(oid("551d11"), octets(sequence(...names.map(generalName))));
}

function generalName(name: string): Buffer {
  if (name === "IP:::1") return tagged(0x87, Buffer.alloc(15), Buffer.from([1]));
  if (name.startsWith("IP:")) return tagged(0x87, Buffer.from(name.slice(3).split(".").map(Number)));
  if (name.startsWith("URI:")) return tagged(0x86, Buffer.from(name.slice(4)));
  return tagged(0x82, Buffer.from(name));
}
