import { type Timestamp, timestampMs } from "@bufbuild/protobuf/wkt";
import { formatAge } from "../../base/age.ts";
import { LeaseState, type Provider } from "../../gen/deviceapi/admin/v1alpha1/admin_pb.ts";
import { cell, type Row, renderTable } from "./table.ts";

const HEADINGS: Row = ["ID", "KIND", "OWNER", "LEASE", "HEARTBEAT", "WRITE", "GPUS", "CONDITIONS", "BAD"];

/** HEARTBEAT and WRITE are how long ago the last one was; LEASE is what is left of it. */
export function renderProviders(providers: readonly Provider[], nowMs: number): string {
  if (providers.length === 0) return "no providers\n";
  const age = (at: Timestamp | undefined) => (at === undefined ? "-" : formatAge(nowMs - timestampMs(at)));
  const rows = providers.map((provider) => [
    cell(provider.id),
    provider.builtIn ? "built-in" : "external",
    cell(provider.owner),
    leaseOf(provider),
    age(provider.lastHeartbeat),
    age(provider.lastWrite),
    ...[provider.gpus, provider.conditions, provider.badConditions].map(String),
  ]);
  return renderTable([HEADINGS, ...rows]);
}

export function leaseOf({ lease, leaseRemaining }: Provider): string {
  switch (lease) {
    case LeaseState.HELD:
      return `held ${formatAge(Number(leaseRemaining?.seconds ?? 0n) * 1_000)}`;
    case LeaseState.LOST:
      return "lost";
    case LeaseState.NONE:
      return "none";
    case LeaseState.UNSPECIFIED:
      return "-";
  }
}
