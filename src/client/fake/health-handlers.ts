import { create, type Message } from "@bufbuild/protobuf";
import {
  Health,
  HealthCheckResponse_ServingStatus,
  HealthCheckResponseSchema,
} from "../../gen/grpc/health/v1/health_pb.ts";
import type { Handler } from "./handler.ts";
import { aborted } from "./until-aborted.ts";

/** grpc.health.v1: a fake serves as long as it is there. Keep-alive follows it to see a server go. */
export function createHealthHandlers(): readonly Handler[] {
  const serving = () => create(HealthCheckResponseSchema, { status: HealthCheckResponse_ServingStatus.SERVING });
  return [
    { kind: "unary", method: Health.method.check, handle: async () => serving() },
    {
      kind: "server_streaming",
      method: Health.method.watch,
      async *handle(_request, { signal }): AsyncGenerator<Message> {
        yield serving();
        await aborted(signal);
      },
    },
  ];
}
