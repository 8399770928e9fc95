import type { PlainWriter } from "./commands.ts";

/** The contract on provider ids, claims and leases, stated plainly. */

export class Refusal extends Error {
  constructor(readonly code: string) {
    super(code);
  }
}

export interface ModelProvider {
  readonly id: string;
  /** Empty for the server's own. */
  identity: string;
  /** When its silence becomes too long, on the monotonic clock; undefined as long as it never sent a heartbeat. */
  leaseEndMs: number | undefined;
  lost: boolean;
  /** Its lease ran out and it has not been told yet. */
  owesNotice: boolean;
}

const SERVERS_OWN = ["nvml-provider", "simulated", "operator"];
const PROVIDERS_MAX = 1_024;

const standsForIdentity = (id: string): boolean => id === "tcp" || /^uid:[0-9]+$/.test(id);

/** The provider under that id, after the writer claimed it. */
export function claim(
  providers: ModelProvider[],
  writer: PlainWriter,
  id: string,
  bound: readonly (readonly [id: string, identity: string])[],
  isInUse: (id: string) => boolean,
): ModelProvider {
  if (SERVERS_OWN.includes(id)) throw new Refusal("PERMISSION_DENIED");
  const tied = bound.find(([tiedId]) => tiedId === id)?.[1];
  const belongsTo = tied ?? (standsForIdentity(id) ? id : undefined);
  if (belongsTo !== undefined && belongsTo !== writer.identity && !writer.superuser) {
    throw new Refusal("PERMISSION_DENIED");
  }
  const known = providers.find((provider) => provider.id === id);
  if (known === undefined) return addProvider(providers, id, belongsTo ?? writer.identity, isInUse);
  if (known.identity === writer.identity) return known;
  if (isOwned(known, isInUse)) {
    if (!writer.superuser) throw new Refusal("PERMISSION_DENIED");
  } else {
    known.identity = belongsTo ?? writer.identity;
  }
  return known;
}

/** Whom an operator wants to be rid of; it is no longer there afterwards. */
export function dismiss(providers: ModelProvider[], id: string, force: boolean): void {
  if (SERVERS_OWN.includes(id)) throw new Refusal("FAILED_PRECONDITION");
  const place = providers.findIndex((provider) => provider.id === id);
  const provider = providers[place];
  if (provider === undefined) throw new Refusal("NOT_FOUND");
  const lives = provider.leaseEndMs !== undefined && !provider.lost;
  if (lives && !force) throw new Refusal("FAILED_PRECONDITION");
  providers.splice(place, 1);
}

/** Until the lease is gone or, for one without a lease, until nothing stands under the id. */
function isOwned(provider: ModelProvider, isInUse: (id: string) => boolean): boolean {
  return provider.leaseEndMs === undefined ? isInUse(provider.id) : !provider.lost;
}

function addProvider(
  providers: ModelProvider[],
  id: string,
  identity: string,
  isInUse: (id: string) => boolean,
): ModelProvider {
  if (providers.length >= PROVIDERS_MAX) {
    const idle = providers.findIndex(
      (other) => other.identity !== "" && !isInUse(other.id) && !isOwned(other, () => false),
    );
    if (idle < 0) throw new Refusal("RESOURCE_EXHAUSTED");
    providers.splice(idle, 1);
  }
  const provider = newProvider(id, identity);
  providers.push(provider);
  return provider;
}

export function newProvider(id: string, identity: string): ModelProvider {
  return { id, identity, leaseEndMs: undefined, lost: false, owesNotice: false };
}

export function renewByWrite(provider: ModelProvider, nowMs: number, leaseMs: number): void {
  if (provider.leaseEndMs === undefined) return;
  provider.leaseEndMs = nowMs + leaseMs;
  provider.lost = false;
}

/** Returns whether it is acknowledged. */
export function renewByHeartbeat(provider: ModelProvider, nowMs: number, leaseMs: number): boolean {
  const acknowledged = !provider.owesNotice;
  provider.leaseEndMs = nowMs + leaseMs;
  provider.lost = false;
  provider.owesNotice = false;
  return acknowledged;
}
