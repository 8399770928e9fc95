import { StatusError } from "../base/status-error.ts";
import type { Gpu } from "../gen/device/v1alpha1/gpu_pb.ts";
import type { Provider } from "../provider/provider.ts";
import type { ReportedFault } from "../store/inspect.ts";
import type { Store, StoreView } from "../store/store.ts";
import { keyOf } from "../store/transaction.ts";
import type { AuditedChange } from "./audit-log.ts";
import type { Call } from "./call.ts";
import { gpuNotFound } from "./gpu-service.ts";

/** A bad condition, as AdminService tells of it. */
export interface FaultInfo {
  readonly providerId: string;
  readonly type: string;
  readonly reason: string;
  readonly message: string;
}

export interface ClearOutcome {
  readonly cleared: readonly FaultInfo[];
  /** What is bad after it, of every type. */
  readonly remaining: readonly FaultInfo[];
  readonly gpu: Gpu;
  /** Undefined where nothing was cleared. */
  readonly change: AuditedChange | undefined;
}

export interface ClearOptions {
  readonly store: Store;
  /** The built-in ones. */
  readonly providers: readonly Provider[];
}

const FORGET = "device-api-server provider forget";

/**
 * An operator's word that a GPU is well, or one condition of it. Only built-in providers hold faults that wait for it;
 * where all that is meant is an external provider's, throws FAILED_PRECONDITION.
 */
export async function clearFaults(
  { store, providers }: ClearOptions,
  call: Call,
  name: string,
  type: string | undefined,
): Promise<ClearOutcome> {
  const before = await store.read(call, (view) => find(view, name));
  const cleared: FaultInfo[] = [];
  const ended = new Map<string, string>();
  for (const provider of providers) {
    for (const condition of await provider.clear(name, type)) {
      cleared.push(infoOf(provider.id, condition));
      ended.set(condition.type, condition.status);
    }
  }
  const { gpu, faults } = await store.read(call, (view) => find(view, name));
  const foreign = faults.filter(
    ({ provider, report }) => provider.identity !== undefined && (type === undefined || report.type === type),
  );
  if (cleared.length === 0 && foreign.length > 0) throw notOurs(gpu.metadata?.name ?? name, foreign);
  const remaining = faults.map(({ provider, report }) => infoOf(provider.id, report));
  if (cleared.length === 0) return { cleared, remaining, gpu, change: undefined };
  const range = { after: Number(before.gpu.resourceVersion), upTo: Number(gpu.resourceVersion) };
  return { cleared, remaining, gpu, change: { gpus: new Set([keyOf(name)]), ...range, ended } };
}

function find(view: StoreView, name: string): { gpu: Gpu; faults: readonly ReportedFault[] } {
  const gpu = view.get(name)?.toMessage();
  const faults = view.faults(name);
  if (gpu !== undefined && faults !== undefined) return { gpu, faults };
  throw gpuNotFound(name);
}

function infoOf(providerId: string, { type, reason, message }: Omit<FaultInfo, "providerId">): FaultInfo {
  return { providerId, type, reason, message };
}

/** What to do instead depends on whether the provider is there. */
function notOurs(name: string, [first, ...others]: readonly ReportedFault[]): StatusError {
  const { id = "", lease } = first?.provider ?? {};
  const whose = `${first?.report.type} of ${name} is what provider ${JSON.stringify(id)} reports`;
  const more = others.length === 0 ? "" : ` (and ${others.length} more)`;
  const advice =
    lease?.kind === "held"
      ? "it is alive, and has to report it good itself"
      : `it has to report it good itself; if it is gone for good, run: ${FORGET} ${inShell(id)}`;
  return new StatusError("FAILED_PRECONDITION", `${whose}${more}: ${advice}`);
}

/** An id may be any text. */
function inShell(id: string): string {
  return /^[-\w.:@/]+$/.test(id) ? id : `'${id.replaceAll("'", "'\\''")}'`;
}
