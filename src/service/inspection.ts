import { invalidArgument } from "../base/status-error.ts";
import type { DescribeGpuRequest, ListEventsRequest } from "../gen/deviceapi/admin/v1alpha1/admin_pb.ts";
import { NAME_MAX, RECENT_EVENTS_MAX } from "../store/limits.ts";
import type { Store } from "../store/store.ts";
import { eventMessage, gpuProviderMessage, operatorActionMessage, type WallMsOf } from "./admin-messages.ts";
import type { AuditLog } from "./audit-log.ts";
import type { Call } from "./call.ts";
import { gpuNotFound } from "./gpu-service.ts";
import { concerns } from "./operator-words.ts";
import type { RecentEvents } from "./recent-events.ts";
import { checkLength, checkPresent } from "./validate.ts";

/** The methods of AdminService that change nothing and are for every reader. */

const EVENTS_DEFAULT = 50;
const ACTIONS_SHOWN_MAX = 20;

export async function listEvents(
  { events }: { readonly events: RecentEvents },
  { name, limit }: ListEventsRequest,
  call: Call,
) {
  checkLength(name, NAME_MAX, "name");
  if (limit < 0 || limit > RECENT_EVENTS_MAX) {
    throw invalidArgument("limit", `${limit} is not between 1 and ${RECENT_EVENTS_MAX}, nor 0 for ${EVENTS_DEFAULT}`);
  }
  const list = await events.list(call, { limit: limit === 0 ? EVENTS_DEFAULT : limit, ...(name !== "" && { name }) });
  return { events: list.events.map(eventMessage), resourceVersion: BigInt(list.version) };
}

export async function describeGpu(
  { store, audit }: { readonly store: Store; readonly audit: AuditLog },
  { name }: DescribeGpuRequest,
  call: Call,
  wallMsOf: WallMsOf,
) {
  checkPresent(name, "name");
  const { gpu, said } = await store.read(call, (view) => ({ gpu: view.get(name), said: view.providersOf(name) ?? [] }));
  if (gpu === undefined) throw gpuNotFound(name);
  const actions = audit.entries.filter((entry) => concerns(entry, gpu.name)).slice(-ACTIONS_SHOWN_MAX);
  return {
    gpu: gpu.toMessage(),
    providers: said.map((one) => gpuProviderMessage(one, wallMsOf)),
    actions: actions.map(operatorActionMessage),
  };
}
