import { create, toBinary } from "@bufbuild/protobuf";
import { invalidArgument, StatusError } from "../base/status-error.ts";
import {
  AdminService,
  SimulateBreakRequestSchema,
  SimulateBreakResponseSchema,
  SimulateHealRequestSchema,
  SimulateHealResponseSchema,
} from "../gen/deviceapi/admin/v1alpha1/admin_pb.ts";
import type { Method } from "./call.ts";
import { decodeMessage } from "./decode.ts";
import { checkPresent } from "./validate.ts";

/** What can be played on simulated GPUs; each resolves to the GPU's version. */
export interface Simulation {
  breakGpu(name: string, xid: number): Promise<number>;
  healGpu(name: string): Promise<number>;
}

/** Xids are small numbers; 1,023 leaves room beyond the catalogue's 172. */
const XID_MAX = 1_023;

/** AdminService. Without a simulation its methods answer FAILED_PRECONDITION. */
export function createAdminService(simulation: Simulation | undefined): readonly Method[] {
  const running = (): Simulation => {
    if (simulation !== undefined) return simulation;
    throw new StatusError("FAILED_PRECONDITION", "there are no simulated GPUs: start the server with --simulate N");
  };
  const unary = (method: string, handle: (request: Uint8Array) => Promise<Uint8Array>): Method => ({
    kind: "unary",
    name: `${AdminService.typeName}/${method}`,
    access: "admin",
    handle,
  });
  return [
    unary("SimulateBreak", async (request) => {
      const { name, xid } = decodeMessage(SimulateBreakRequestSchema, request);
      checkPresent(name, "name");
      if (xid < 1 || xid > XID_MAX) throw invalidArgument("xid", `${xid} is not between 1 and ${XID_MAX}`);
      const version = await running().breakGpu(name, xid);
      const reply = create(SimulateBreakResponseSchema, { resourceVersion: BigInt(version) });
      return toBinary(SimulateBreakResponseSchema, reply);
    }),
    unary("SimulateHeal", async (request) => {
      const { name } = decodeMessage(SimulateHealRequestSchema, request);
      checkPresent(name, "name");
      const version = await running().healGpu(name);
      const reply = create(SimulateHealResponseSchema, { resourceVersion: BigInt(version) });
      return toBinary(SimulateHealResponseSchema, reply);
    }),
  ];
}
