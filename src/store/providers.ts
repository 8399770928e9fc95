import { resourceExhausted, StatusError } from "../base/status-error.ts";
import { PROVIDERS_MAX } from "./limits.ts";

/** Ids that only the server itself writes under. */
export const NVML_PROVIDER_ID = "nvml-provider";
export const SIMULATED_PROVIDER_ID = "simulated";
export const OPERATOR_ID = "operator";
const RESERVED_IDS: ReadonlySet<string> = new Set([NVML_PROVIDER_ID, SIMULATED_PROVIDER_ID, OPERATOR_ID]);

/** Ids that stand for an identity and nothing else. */
const IDENTITY_ID = /^(uid:\d+|tcp)$/;

/** The lease of a provider. Only one that has sent a heartbeat can lose it. */
export type Lease =
  | { readonly kind: "none" }
  /** `lapsed`: it had run out since the last heartbeat, which the next heartbeat's answer has to tell. */
  | { readonly kind: "held"; readonly renewedAtMs: number; readonly lapsed: boolean }
  | { readonly kind: "lost" };

export interface Provider {
  readonly id: string;
  /** Who owns the id, as identityOf() names it; undefined for the server's own. */
  readonly identity: string | undefined;
  readonly lease: Lease;
  /** On the monotonic clock; not set where it never did. */
  readonly lastWriteMs?: number;
  readonly lastHeartbeatMs?: number;
}

/** A peer that asks to write under an id. */
export interface Claim {
  readonly id: string;
  readonly identity: string;
  readonly superuser: boolean;
}

/** What a claim is judged by. */
export interface ClaimContext {
  /** --provider ID=UID: the identity an id is tied to. */
  readonly bound: ReadonlyMap<string, string>;
  readonly known: Provider | undefined;
  /** Whether anything is registered or reported under the id; asked only where it matters. */
  readonly inUse: () => boolean;
}

/**
 * Whether the peer may write under the id; throws PERMISSION_DENIED naming the rule. Returns the provider as it is
 * after the claim. Pure.
 */
export function judgeClaim(claim: Claim, context: ClaimContext): Provider {
  const { id, identity, superuser } = claim;
  if (RESERVED_IDS.has(id)) throw denied(id, "is the server's own; choose another one");
  if (IDENTITY_ID.test(id) && id !== identity && !superuser) {
    throw denied(id, `stands for that identity; yours is ${identity}`);
  }
  const bound = context.bound.get(id);
  if (bound !== undefined && bound !== identity && !superuser) throw denied(id, `is tied to ${bound} by --provider`);
  // An identity's own id stays its own, also where uid 0 wrote under it first.
  const owner = bound ?? (IDENTITY_ID.test(id) ? id : undefined);
  const { known } = context;
  if (known === undefined) return { id, identity: owner ?? identity, lease: { kind: "none" } };
  if (known.identity === identity) return known;
  if (isOwned(known, context.inUse)) {
    if (superuser) return known;
    throw denied(
      id,
      `belongs to ${known.identity} until its lease or its last condition is gone; yours is ${identity}`,
    );
  }
  return { ...known, identity: owner ?? identity };
}

/** An id stays with its owner while its lease runs or, without heartbeats, while anything stands under it. */
function isOwned(provider: Provider, inUse: () => boolean): boolean {
  switch (provider.lease.kind) {
    case "none":
      return inUse();
    case "held":
      return true;
    case "lost":
      return false;
  }
}

/** A write renews the lease of a provider that sends heartbeats, but takes no answer away from its next heartbeat. */
export function renewedByWrite(provider: Provider, nowMs: number): Provider {
  const { lease } = provider;
  if (lease.kind === "none") return { ...provider, lastWriteMs: nowMs };
  const lapsed = lease.kind === "lost" || lease.lapsed;
  return { ...provider, lease: { kind: "held", renewedAtMs: nowMs, lapsed }, lastWriteMs: nowMs };
}

/** A heartbeat takes a lease or renews it; it is acknowledged unless the lease had run out since the last one. */
export function renewedByHeartbeat(provider: Provider, nowMs: number): { provider: Provider; acknowledged: boolean } {
  const { lease } = provider;
  const acknowledged = lease.kind === "none" || (lease.kind === "held" && !lease.lapsed);
  const held = { kind: "held", renewedAtMs: nowMs, lapsed: false } as const;
  return { provider: { ...provider, lease: held, lastHeartbeatMs: nowMs }, acknowledged };
}

export function isOverdue(provider: Provider, leaseMs: number, nowMs: number): boolean {
  return provider.lease.kind === "held" && nowMs - provider.lease.renewedAtMs >= leaseMs;
}

/** Undefined where no lease is in force. */
export function leaseRemainingMs({ lease }: Provider, leaseMs: number, nowMs: number): number | undefined {
  return lease.kind === "held" ? Math.max(0, lease.renewedAtMs + leaseMs - nowMs) : undefined;
}

/**
 * Whether an operator may forget the provider; throws NOT_FOUND or FAILED_PRECONDITION. A provider whose lease is in
 * force lives, and would not learn that it has to write its state again: that takes `force`.
 */
export function judgeForgetting(
  id: string,
  known: Provider | undefined,
  { force, remainingMs }: { readonly force: boolean; readonly remainingMs: number | undefined },
): void {
  const refused = (why: string) => new StatusError("FAILED_PRECONDITION", `provider ${JSON.stringify(id)} ${why}`);
  if (RESERVED_IDS.has(id)) throw refused("is built in and cannot be forgotten");
  if (known === undefined) throw new StatusError("NOT_FOUND", `there is no provider ${JSON.stringify(id)}`);
  if (remainingMs === undefined || force) return;
  const left = `its lease is in force for another ${Math.ceil(remainingMs / 1_000)} s`;
  throw refused(`is alive: ${left}. Stop it and wait for so long, or force it`);
}

/**
 * Which provider to forget so that there is room for one more: one that is not owned and has nothing standing under
 * its id. Undefined where there is room; throws where all are needed.
 */
export function toForget(
  providers: ReadonlyMap<string, Provider>,
  inUse: () => ReadonlySet<string>,
): string | undefined {
  if (providers.size < PROVIDERS_MAX) return undefined;
  let used: ReadonlySet<string> | undefined;
  for (const provider of providers.values()) {
    const builtin = provider.identity === undefined;
    if (builtin || isOwned(provider, () => false)) continue;
    used ??= inUse();
    if (!used.has(provider.id)) return provider.id;
  }
  throw resourceExhausted("provider_id", `there are ${PROVIDERS_MAX} providers already`);
}

function denied(id: string, why: string): StatusError {
  return new StatusError("PERMISSION_DENIED", `provider_id ${JSON.stringify(id)} ${why}`);
}
