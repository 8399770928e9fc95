import {
  create,
  type DescMessage,
  type DescMethodUnary,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { type LogFields, silentLogger } from "../base/log.ts";
import { StatusError } from "../base/status-error.ts";
import { AdminService } from "../gen/deviceapi/admin/v1alpha1/admin_pb.ts";
import type { Provider } from "../provider/provider.ts";
import { createStoreHost } from "../provider/store-host.ts";
import { createAdminService } from "../service/admin-service.ts";
import { AuditLog } from "../service/audit-log.ts";
import type { Call, UnaryMethod } from "../service/call.ts";
import { createRecentEvents } from "../service/recent-events.ts";
import { condition, TestStore } from "./test-store.ts";

const WELL = condition("NVMLReady", "True");
const BAD = condition("NVMLReady", "False", { reason: "XidError" });

const CALL: Call = {
  method: "",
  peer: { kind: "unix", connection: 1, pid: 77, uid: 0, gid: 0, groups: [] },
  deadlineMs: undefined,
  cancelled: false,
  onCancel: () => {},
};

/** AdminService over a store in simulated time, and a built-in provider with one GPU, gpu-0, that is bad. */
export async function playAdmin() {
  const store = new TestStore();
  const host = createStoreHost(store.store, "nvml-provider", () => {});
  const publish = async (status: typeof BAD) => {
    await host.publish([{ name: "gpu-0", uuid: "", status: { conditions: [status], action: "" } }]);
  };
  await publish(BAD);
  let open = true;
  /** What else happens right before consumers see the fault cleared, and right after it. */
  let before = async () => {};
  let after = async () => {};
  const builtin: Provider = {
    id: "nvml-provider",
    start: async () => {},
    async clear(name, type) {
      if (!open || name.toLowerCase() !== "gpu-0" || (type !== undefined && type !== BAD.type)) return [];
      open = false;
      await before();
      await publish(WELL);
      await after();
      return [BAD];
    },
    [Symbol.asyncDispose]: async () => {},
  };
  const lines: (LogFields | undefined)[] = [];
  const audit = new AuditLog(store.time, { ...silentLogger, info: (_, fields) => void lines.push(fields) });
  const methods = createAdminService({
    store: store.store,
    clock: store.time,
    audit,
    events: createRecentEvents(store.store, audit),
    providers: [builtin],
    simulation: undefined,
  });
  async function call<I extends DescMessage, O extends DescMessage>(
    desc: DescMethodUnary<I, O>,
    request: MessageInitShape<I>,
  ): Promise<MessageShape<O>> {
    const method = methods.find(({ name }) => name.endsWith(`/${desc.name}`)) as UnaryMethod;
    const reply = await method.handle(toBinary(desc.input, create(desc.input, request)), CALL);
    return fromBinary(desc.output, reply);
  }
  const failure = async <I extends DescMessage, O extends DescMessage>(
    desc: DescMethodUnary<I, O>,
    request: MessageInitShape<I>,
  ) =>
    call(desc, request).then(
      () => "OK",
      (error: unknown) => (error instanceof StatusError ? `${error.code}: ${error.message}` : error),
    );
  const onClear = (tasks: { before?: typeof before; after?: typeof after }) => {
    ({ before = before, after = after } = tasks);
  };
  const actions = async () => (await call(AdminService.method.listOperatorActions, {})).actions;
  return { store, methods, call, failure, actions, lines, publish, onClear };
}
