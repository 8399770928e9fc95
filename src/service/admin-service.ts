import {
  create,
  type DescMessage,
  type DescMethodUnary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import type { Clock } from "../base/clock.ts";
import { invalidArgument, StatusError } from "../base/status-error.ts";
import { createWallTimes } from "../base/wall-times.ts";
import {
  AdminService,
  type ClearFaultsRequest,
  type ForgetProviderRequest,
} from "../gen/deviceapi/admin/v1alpha1/admin_pb.ts";
import type { Provider } from "../provider/provider.ts";
import { READY } from "../store/condition-rules.ts";
import { CONDITION_TYPE_MAX, PROVIDER_ID_MAX, REASON_MAX } from "../store/limits.ts";
import type { Store } from "../store/store.ts";
import { keyOf } from "../store/transaction.ts";
import { operatorActionMessage, providerMessage, type WallMsOf } from "./admin-messages.ts";
import type { AuditLog } from "./audit-log.ts";
import type { Access, Call, Method } from "./call.ts";
import { decodeMessage } from "./decode.ts";
import { clearFaults } from "./fault-clearing.ts";
import { describeGpu, listEvents } from "./inspection.ts";
import type { RecentEvents } from "./recent-events.ts";
import { checkLength, checkPresent } from "./validate.ts";

/** What can be played on simulated GPUs; each resolves to the GPU's version. */
export interface Simulation {
  breakGpu(name: string, xid: number): Promise<number>;
  healGpu(name: string): Promise<number>;
}

export interface AdminServiceOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly audit: AuditLog;
  readonly events: RecentEvents;
  /** The built-in ones that run. */
  readonly providers: readonly Provider[];
  /** Without one, the methods of the simulation answer FAILED_PRECONDITION. */
  readonly simulation: Simulation | undefined;
}

/** Xids are small numbers; 1,023 leaves room beyond the catalogue's 172. */
const XID_MAX = 1_023;

/** AdminService. Who may call is decided before; whoever asks for a change is written down. */
export function createAdminService(options: AdminServiceOptions): readonly Method[] {
  const { audit } = options;
  const { method } = AdminService;
  const wallMsOf = createWallTimes(options.clock);
  return [
    unary(method.listEvents, "read", (request, call) => listEvents(options, request, call)),
    unary(method.describeGpu, "read", (request, call) => describeGpu(options, request, call, wallMsOf)),
    unary(method.clearFaults, "admin", (request, call) => clear(options, request, call)),
    unary(method.listProviders, "admin", (_, call) => listProviders(options, call, wallMsOf)),
    unary(method.forgetProvider, "admin", (request, call) => forgetProvider(options, request, call)),
    unary(method.listOperatorActions, "admin", async () => ({ actions: audit.entries.map(operatorActionMessage) })),
    unary(method.simulateBreak, "admin", ({ name, xid }, call) => {
      checkPresent(name, "name");
      if (xid < 1 || xid > XID_MAX) throw invalidArgument("xid", `${xid} is not between 1 and ${XID_MAX}`);
      return simulate(options, call, method.simulateBreak.name, name, async (simulation) => ({
        version: await simulation.breakGpu(name, xid),
        outcome: `broken by Xid ${xid}`,
      }));
    }),
    unary(method.simulateHeal, "admin", ({ name }, call) => {
      checkPresent(name, "name");
      return simulate(options, call, method.simulateHeal.name, name, async (simulation) => ({
        version: await simulation.healGpu(name),
        outcome: "well again",
      }));
    }),
  ];
}

function unary<I extends DescMessage, O extends DescMessage>(
  desc: DescMethodUnary<I, O>,
  access: Access,
  handle: (request: MessageShape<I>, call: Call) => Promise<MessageInitShape<O>>,
): Method {
  return {
    kind: "unary",
    name: `${desc.parent.typeName}/${desc.name}`,
    access,
    async handle(bytes, call) {
      const reply = await handle(decodeMessage(desc.input, bytes), call);
      return toBinary(desc.output, create(desc.output, reply));
    },
  };
}

function simulate(
  { store, audit, simulation }: AdminServiceOptions,
  call: Call,
  method: string,
  name: string,
  play: (simulation: Simulation) => Promise<{ version: number; outcome: string }>,
) {
  return audit.audit(call, { method, kind: "gpu", target: name, reason: "" }, async () => {
    if (simulation === undefined) {
      throw new StatusError("FAILED_PRECONDITION", "there are no simulated GPUs: start the server with --simulate N");
    }
    const after = await store.read(call, (view) => view.get(name)?.version ?? view.version);
    const { version, outcome } = await play(simulation);
    const change = { gpus: new Set([keyOf(name)]), after, upTo: version };
    return { reply: { resourceVersion: BigInt(version) }, outcome, change };
  });
}

function clear(options: AdminServiceOptions, { name, type, reason }: ClearFaultsRequest, call: Call) {
  checkPresent(name, "name");
  checkPresent(reason.trim(), "reason");
  checkLength(reason, REASON_MAX, "reason");
  checkLength(type, CONDITION_TYPE_MAX, "type");
  if (type === READY) throw invalidArgument("type", "Ready follows from the other conditions: clear those");
  const request = { method: AdminService.method.clearFaults.name, kind: "gpu", target: name, reason } as const;
  return options.audit.audit(call, request, async () => {
    const { cleared, remaining, gpu, change } = await clearFaults(options, call, name, type === "" ? undefined : type);
    const types = cleared.map((fault) => fault.type).join(", ");
    const reply = { cleared: [...cleared], remaining: [...remaining], gpu };
    return { reply, outcome: types === "" ? "nothing to clear" : `cleared ${types}`, change };
  });
}

function forgetProvider({ store, audit }: AdminServiceOptions, request: ForgetProviderRequest, call: Call) {
  const { id, reason, force } = request;
  checkLength(checkPresent(id, "id"), PROVIDER_ID_MAX, "id");
  checkLength(reason, REASON_MAX, "reason");
  const { name: method } = AdminService.method.forgetProvider;
  return audit.audit(call, { method, kind: "provider", target: id, reason }, async () => {
    let after = 0;
    const { gpus, conditions, deleted } = await store.write(call, (transaction) => {
      after = store.stats().version;
      return transaction.forgetProvider(id, force);
    });
    const { version } = store.stats();
    const gone = deleted.length === 0 ? "" : `, deleted ${deleted.join(", ")}`;
    return {
      reply: { gpus: gpus.length, conditions, deletedGpus: [...deleted], resourceVersion: BigInt(version) },
      outcome: `forgot ${conditions} conditions on ${gpus.length} GPUs${gone}`,
      change: { gpus: new Set(gpus.map(keyOf)), after, upTo: version },
    };
  });
}

async function listProviders({ store }: AdminServiceOptions, call: Call, wallMsOf: WallMsOf) {
  const summaries = await store.read(call, (view) => view.providers());
  return { providers: summaries.map((summary) => providerMessage(summary, wallMsOf)) };
}
