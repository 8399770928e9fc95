import type { MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  type EventSchema,
  type GpuProviderSchema,
  LeaseState,
  type OperatorActionSchema,
  type ProviderSchema,
  type ReportedConditionSchema,
  Verdict,
} from "../gen/deviceapi/admin/v1alpha1/admin_pb.ts";
import type { Verdict as StoreVerdict } from "../store/condition-rules.ts";
import type { GpuProvider, JudgedReport, ProviderSummary } from "../store/inspect.ts";
import type { Lease } from "../store/providers.ts";
import type { RecentEvent } from "../store/recent-events.ts";
import type { AuditEntry } from "./audit-log.ts";

/** What the store and the record know, in the messages of AdminService. */

const LEASE_STATES: Readonly<Record<Lease["kind"], LeaseState>> = {
  none: LeaseState.NONE,
  held: LeaseState.HELD,
  lost: LeaseState.LOST,
};

const VERDICTS: Readonly<Record<StoreVerdict, Verdict>> = {
  good: Verdict.GOOD,
  unknown: Verdict.UNKNOWN,
  bad: Verdict.BAD,
};

/** An instant of the monotonic clock, on which the store counts, in milliseconds since 1970. */
export type WallMsOf = (monotonicMs: number) => number;

export function providerMessage(summary: ProviderSummary, wallMsOf: WallMsOf): MessageInitShape<typeof ProviderSchema> {
  const { provider, leaseRemainingMs, gpus, conditions, bad } = summary;
  const { id, identity, lease, lastHeartbeatMs, lastWriteMs } = provider;
  const atWallClock = (ms: number | undefined) => (ms === undefined ? undefined : timestampFromMs(wallMsOf(ms)));
  return {
    id,
    builtIn: identity === undefined,
    owner: identity ?? "",
    lease: LEASE_STATES[lease.kind],
    leaseRemaining: leaseRemainingMs === undefined ? undefined : durationFromMs(Math.round(leaseRemainingMs)),
    lastHeartbeat: atWallClock(lastHeartbeatMs),
    lastWrite: atWallClock(lastWriteMs),
    gpus,
    conditions,
    badConditions: bad,
  };
}

export function gpuProviderMessage(said: GpuProvider, wallMsOf: WallMsOf): MessageInitShape<typeof GpuProviderSchema> {
  return {
    provider: providerMessage(said.summary, wallMsOf),
    registered: said.registered,
    conditions: said.reports.map(reportedMessage),
    recommendedAction: said.action,
  };
}

function reportedMessage(judged: JudgedReport): MessageInitShape<typeof ReportedConditionSchema> {
  const { type, status, reason, message, since } = judged.report;
  return {
    condition: { type, status, reason, message, lastTransitionTime: since },
    verdict: VERDICTS[judged.verdict],
    advisory: !judged.counts,
    shown: judged.shown,
  };
}

export function eventMessage(event: RecentEvent): MessageInitShape<typeof EventSchema> {
  return {
    resourceVersion: event.version,
    time: timestampFromMs(event.atMs),
    gpu: event.gpu,
    type: event.kind,
    changes: event.changes.map(({ type, from = "", to = "", reason, message }) => ({
      type,
      previousStatus: from,
      status: to,
      reason,
      message,
    })),
    whole: event.whole,
    by: event.by ?? "",
    ...(event.actionFrom !== undefined && { previousAction: event.actionFrom }),
    ...(event.actionTo !== undefined && { recommendedAction: event.actionTo }),
    ...(event.uuid !== undefined && { uuid: event.uuid }),
  };
}

export function operatorActionMessage(entry: AuditEntry): MessageInitShape<typeof OperatorActionSchema> {
  const { wallUs, uid, pid, method, target, reason, outcome } = entry;
  return { time: timestampFromMs(Math.round(wallUs / 1_000)), uid, pid, method, target, reason, outcome };
}
