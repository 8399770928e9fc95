import { create, type DescMessage, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import type { Logger } from "../base/log.ts";
import { truncate } from "../base/log-text.ts";
import { invalidArgument, resourceExhausted } from "../base/status-error.ts";
import {
  HeartbeatRequestSchema,
  HeartbeatResponseSchema,
  ProviderService,
  RegisterGpuRequestSchema,
  RegisterGpuResponseSchema,
  UnregisterGpuRequestSchema,
  UnregisterGpuResponseSchema,
  UpdateGpuConditionRequestSchema,
  UpdateGpuConditionResponseSchema,
  UpdateGpuStatusRequestSchema,
  UpdateGpuStatusResponseSchema,
} from "../gen/device/v1alpha1/provider_pb.ts";
import { GPUS_MAX, NAME_MAX } from "../store/limits.ts";
import type { Store } from "../store/store.ts";
import type { Transaction } from "../store/transaction.ts";
import type { Writer } from "../store/types.ts";
import { numberField, numberTag } from "../store/wire.ts";
import type { Call, Method } from "./call.ts";
import { decodeMessage } from "./decode.ts";
import { OnceLog } from "./once-log.ts";
import { identityOf } from "./peer.ts";
import { readConditionRequest } from "./plain-request.ts";
import { checkCondition, checkNewName, checkPresent, checkProviderId, checkStatus, checkUuid } from "./validate.ts";

/** The writes that cache_updates_total tells apart. */
export type UpdateOperation = "register" | "unregister" | "update_status" | "update_condition";

export interface ProviderServiceOptions {
  readonly store: Store;
  readonly log: Logger;
  /** A write was acknowledged. */
  onUpdate(operation: UpdateOperation): void;
}

/** Enough to recognise the mistake; the count tells the rest. */
const UNKNOWN_NAMES_LOGGED = 8;

/** The replies to updates, which are one number. */
const STATUS_VERSION = numberTag(UpdateGpuStatusResponseSchema.field.resourceVersion.number);
const CONDITION_VERSION = numberTag(UpdateGpuConditionResponseSchema.field.resourceVersion.number);

type PeerWriter = Writer & { kind: "peer" };
type Reply = Uint8Array | Promise<Uint8Array>;

/** ProviderService: checks a request, runs one transaction, answers. Who may call is decided before. */
export function createProviderService(options: ProviderServiceOptions): readonly Method[] {
  const unknownNames = new OnceLog(options.log);
  const unary = (method: string, handle: (request: Uint8Array, call: Call) => Reply): Method => ({
    kind: "unary",
    name: `${ProviderService.typeName}/${method}`,
    access: "write",
    handle,
  });
  return [
    unary("RegisterGpu", (request, call) => registerGpu(options, request, call)),
    unary("UnregisterGpu", (request, call) => unregisterGpu(options, request, call)),
    unary("UpdateGpuStatus", (request, call) => updateGpuStatus(options, request, call)),
    unary("UpdateGpuCondition", (request, call) => updateGpuCondition(options, request, call)),
    unary("Heartbeat", (request, call) => heartbeat(options, unknownNames, request, call)),
  ];
}

function registerGpu(options: ProviderServiceOptions, bytes: Uint8Array, call: Call): Reply {
  const request = decodeMessage(RegisterGpuRequestSchema, bytes);
  const input = {
    name: checkNewName(request.name),
    uuid: checkUuid(request.spec?.uuid ?? ""),
    status: request.initialStatus && checkStatus(request.initialStatus, "initial_status"),
  };
  const writer = writerOf(call, checkProviderId(request.providerId));
  return write(options, call, "register", (transaction) => {
    const outcome = transaction.register(writer, input);
    const reply = () => ({ created: outcome.created, resourceVersion: BigInt(outcome.resourceVersion) });
    return () => encode(RegisterGpuResponseSchema, reply());
  });
}

function unregisterGpu(options: ProviderServiceOptions, bytes: Uint8Array, call: Call): Reply {
  const { name } = decodeMessage(UnregisterGpuRequestSchema, bytes);
  checkPresent(name, "name");
  const writer = writerOf(call, "");
  return write(options, call, "unregister", (transaction) => {
    const outcome = transaction.unregister(writer, name);
    return () => encode(UnregisterGpuResponseSchema, outcome);
  });
}

function updateGpuStatus(options: ProviderServiceOptions, bytes: Uint8Array, call: Call): Reply {
  const { name, status, providerId } = decodeMessage(UpdateGpuStatusRequestSchema, bytes);
  checkPresent(name, "name");
  if (status === undefined) throw invalidArgument("status", "must be set");
  const input = checkStatus(status, "status");
  const writer = writerOf(call, checkProviderId(providerId));
  return write(options, call, "update_status", (transaction) => {
    const outcome = transaction.updateStatus(writer, name, input);
    return () => numberField(STATUS_VERSION, outcome.resourceVersion);
  });
}

function updateGpuCondition(options: ProviderServiceOptions, bytes: Uint8Array, call: Call): Reply {
  const { name, condition, providerId } =
    readConditionRequest(bytes) ?? decodeMessage(UpdateGpuConditionRequestSchema, bytes);
  checkPresent(name, "name");
  if (condition === undefined) throw invalidArgument("condition", "must be set");
  const input = checkCondition(condition, "condition");
  const writer = writerOf(call, checkProviderId(providerId));
  return write(options, call, "update_condition", (transaction) => {
    const outcome = transaction.updateCondition(writer, name, input);
    return () => numberField(CONDITION_VERSION, outcome.resourceVersion);
  });
}

function heartbeat(options: ProviderServiceOptions, unknownNames: OnceLog, bytes: Uint8Array, call: Call): Reply {
  const { providerId, gpuNames } = decodeMessage(HeartbeatRequestSchema, bytes);
  checkPresent(providerId, "provider_id");
  if (gpuNames.length > GPUS_MAX) {
    throw resourceExhausted("gpu_names", `${gpuNames.length} names, the limit is ${GPUS_MAX}`);
  }
  const writer = writerOf(call, checkProviderId(providerId));
  return write(options, call, undefined, (transaction) => {
    const outcome = transaction.heartbeat(writer);
    const unknown = gpuNames.filter((name) => !transaction.has(name));
    return () => {
      if (unknown.length > 0) {
        // The line is remembered; a name may be as long as a message, and no GPU has such a one.
        const gpus = unknown
          .slice(0, UNKNOWN_NAMES_LOGGED)
          .map((name) => truncate(name, NAME_MAX))
          .join(", ");
        unknownNames.warn("heartbeat names unknown GPUs", { provider: providerId, count: unknown.length, gpus });
      }
      return encode(HeartbeatResponseSchema, outcome);
    };
  });
}

/** One transaction; the draft returns what makes the reply once it is committed. */
function write(
  options: ProviderServiceOptions,
  call: Call,
  operation: UpdateOperation | undefined,
  draft: (transaction: Transaction) => () => Uint8Array,
): Reply {
  const answer = (reply: () => Uint8Array) => {
    if (operation !== undefined) options.onUpdate(operation);
    return reply();
  };
  const committed = options.store.write(call, draft);
  return committed instanceof Promise ? committed.then(answer) : answer(committed);
}

function encode<D extends DescMessage>(schema: D, reply: MessageInitShape<D>): Uint8Array {
  return toBinary(schema, create(schema, reply));
}

function writerOf(call: Call, claimedId: string): PeerWriter {
  const { peer } = call;
  const superuser = peer.kind === "unix" && peer.uid === 0;
  return { kind: "peer", identity: identityOf(peer), superuser, claimedId };
}
