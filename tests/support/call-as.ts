import { GpuService } from "../../src/gen/device/v1alpha1/gpu_pb.ts";
import { ProviderService } from "../../src/gen/device/v1alpha1/provider_pb.ts";
import { AdminService } from "../../src/gen/deviceapi/admin/v1alpha1/admin_pb.ts";
import { Health } from "../../src/gen/grpc/health/v1/health_pb.ts";
import { failureOf, TestClient } from "./test-client.ts";

/**
 * A process of its own that becomes another user and then calls methods, one after the other; prints the outcomes as
 * JSON. Loaded as root, so that it needs no permission on the files of the project.
 *
 * Arguments: TARGET UID GID GROUPS STEPS, with GROUPS comma-separated and STEPS a JSON list of [method, request].
 */
const [target = "", uid = "", gid = "", groups = "", steps = "[]"] = process.argv.slice(2);

const METHODS = {
  ...GpuService.method,
  ...ProviderService.method,
  ...AdminService.method,
  check: Health.method.check,
};

if (uid !== "") {
  process.setgroups?.(groups === "" ? [] : groups.split(",").map(Number));
  process.setgid?.(Number(gid));
  process.setuid?.(Number(uid));
}

const client = new TestClient(target);
const outcomes: object[] = [];
for (const [name, request] of JSON.parse(steps) as [keyof typeof METHODS, object][]) {
  outcomes.push(await outcomeOf(name, request));
}
client[Symbol.dispose]();
console.log(JSON.stringify(outcomes, (_key, value) => (typeof value === "bigint" ? String(value) : value)));
process.exit(0);

async function outcomeOf(name: keyof typeof METHODS, request: object): Promise<object> {
  const method = METHODS[name];
  try {
    if (method.methodKind === "unary") return { code: "OK", reply: await client.call(method, request) };
    const stream = client.stream(method, request);
    await stream.messagesUpTo(1);
    stream.call.cancel();
    return { code: "OK" };
  } catch (error) {
    return failureOf(error);
  }
}
