import {
  create,
  type DescMessage,
  type DescMethodUnary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { durationFromMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { Clock } from "../base/clock.ts";
import type { Logger } from "../base/log.ts";
import { invalidArgument, StatusError } from "../base/status-error.ts";
import {
  AdminService,
  type ClearFaultsRequest,
  type ForgetProviderRequest,
  LeaseState,
  type ProviderSchema,
} from "../gen/deviceapi/admin/v1alpha1/admin_pb.ts";
import type { Provider } from "../provider/provider.ts";
import { READY } from "../store/condition-rules.ts";
import type { ProviderSummary } from "../store/inspect.ts";
import { CONDITION_TYPE_MAX, PROVIDER_ID_MAX, REASON_MAX } from "../store/limits.ts";
import type { Lease } from "../store/providers.ts";
import type { Store } from "../store/store.ts";
import { AuditLog } from "./audit-log.ts";
import type { Call, Method } from "./call.ts";
import { decodeMessage } from "./decode.ts";
import { clearFaults } from "./fault-clearing.ts";
import { checkLength, checkPresent } from "./validate.ts";

/** What can be played on simulated GPUs; each resolves to the GPU's version. */
export interface Simulation {
  breakGpu(name: string, xid: number): Promise<number>;
  healGpu(name: string): Promise<number>;
}

export interface AdminServiceOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Logger;
  /** The built-in ones that run. */
  readonly providers: readonly Provider[];
  /** Without one, the methods of the simulation answer FAILED_PRECONDITION. */
  readonly simulation: Simulation | undefined;
}

/** Xids are small numbers; 1,023 leaves room beyond the catalogue's 172. */
const XID_MAX = 1_023;

const LEASE_STATES: Readonly<Record<Lease["kind"], LeaseState>> = {
  none: LeaseState.NONE,
  held: LeaseState.HELD,
  lost: LeaseState.LOST,
};

/** AdminService. Who may call is decided before; whoever asks for a change is written down. */
export function createAdminService(options: AdminServiceOptions): readonly Method[] {
  const { clock, log, simulation } = options;
  const audit = new AuditLog(clock, log);
  const { method } = AdminService;
  return [
    unary(method.clearFaults, (request, call) => clear(options, audit, request, call)),
    unary(method.listProviders, (_, call) => listProviders(options, call)),
    unary(method.forgetProvider, (request, call) => forgetProvider(options, audit, request, call)),
    unary(method.listOperatorActions, async () => ({
      actions: audit.entries.map(({ wallUs, ...entry }) => ({
        ...entry,
        time: timestampFromMs(Math.round(wallUs / 1_000)),
      })),
    })),
    unary(method.simulateBreak, ({ name, xid }, call) => {
      checkPresent(name, "name");
      if (xid < 1 || xid > XID_MAX) throw invalidArgument("xid", `${xid} is not between 1 and ${XID_MAX}`);
      return audit.audit(call, { method: method.simulateBreak.name, target: name, reason: "" }, async () => {
        const version = await running(simulation).breakGpu(name, xid);
        return { reply: { resourceVersion: BigInt(version) }, outcome: `broken by Xid ${xid}` };
      });
    }),
    unary(method.simulateHeal, ({ name }, call) => {
      checkPresent(name, "name");
      return audit.audit(call, { method: method.simulateHeal.name, target: name, reason: "" }, async () => {
        const version = await running(simulation).healGpu(name);
        return { reply: { resourceVersion: BigInt(version) }, outcome: "well again" };
      });
    }),
  ];
}

function unary<I extends DescMessage, O extends DescMessage>(
  desc: DescMethodUnary<I, O>,
  handle: (request: MessageShape<I>, call: Call) => Promise<MessageInitShape<O>>,
): Method {
  return {
    kind: "unary",
    name: `${desc.parent.typeName}/${desc.name}`,
    access: "admin",
    async handle(bytes, call) {
      const reply = await handle(decodeMessage(desc.input, bytes), call);
      return toBinary(desc.output, create(desc.output, reply));
    },
  };
}

function running(simulation: Simulation | undefined): Simulation {
  if (simulation !== undefined) return simulation;
  throw new StatusError("FAILED_PRECONDITION", "there are no simulated GPUs: start the server with --simulate N");
}

function clear(options: AdminServiceOptions, audit: AuditLog, { name, type, reason }: ClearFaultsRequest, call: Call) {
  checkPresent(name, "name");
  checkPresent(reason.trim(), "reason");
  checkLength(reason, REASON_MAX, "reason");
  checkLength(type, CONDITION_TYPE_MAX, "type");
  if (type === READY) throw invalidArgument("type", "Ready follows from the other conditions: clear those");
  return audit.audit(call, { method: AdminService.method.clearFaults.name, target: name, reason }, async () => {
    const { cleared, remaining, gpu } = await clearFaults(options, call, name, type === "" ? undefined : type);
    const types = cleared.map((fault) => fault.type).join(", ");
    const reply = { cleared: [...cleared], remaining: [...remaining], gpu };
    return { reply, outcome: types === "" ? "nothing to clear" : `cleared ${types}` };
  });
}

function forgetProvider(
  { store }: AdminServiceOptions,
  audit: AuditLog,
  { id, reason, force }: ForgetProviderRequest,
  call: Call,
) {
  checkLength(checkPresent(id, "id"), PROVIDER_ID_MAX, "id");
  checkLength(reason, REASON_MAX, "reason");
  return audit.audit(call, { method: AdminService.method.forgetProvider.name, target: id, reason }, async () => {
    const { gpus, conditions, deleted } = await store.write(call, (transaction) =>
      transaction.forgetProvider(id, force),
    );
    const { version } = store.stats();
    const gone = deleted.length === 0 ? "" : `, deleted ${deleted.join(", ")}`;
    const reply = { gpus, conditions, deletedGpus: [...deleted], resourceVersion: BigInt(version) };
    return { reply, outcome: `forgot ${conditions} conditions on ${gpus} GPUs${gone}` };
  });
}

async function listProviders({ store, clock }: AdminServiceOptions, call: Call) {
  const summaries = await store.read(call, (view) => view.providers());
  return { providers: summaries.map((summary) => providerOf(summary, clock)) };
}

/** The store counts on the monotonic clock; people read the wall clock. */
function providerOf(summary: ProviderSummary, clock: Clock): MessageInitShape<typeof ProviderSchema> {
  const { provider, leaseRemainingMs, gpus, conditions, bad } = summary;
  const { id, identity, lease, lastHeartbeatMs, lastWriteMs } = provider;
  const atWallClock = (ms: number | undefined) =>
    ms === undefined ? undefined : timestampFromMs(Math.round(clock.wallUs() / 1_000 - (clock.monotonicMs() - ms)));
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
