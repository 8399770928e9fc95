import {
  create,
  type DescMessage,
  type DescMethodUnary,
  isMessage,
  type Message,
  type MessageInitShape,
  type MessageShape,
} from "@bufbuild/protobuf";
import { assert } from "../../base/assert.ts";
import type { Gpu } from "../../gen/device/v1alpha1/gpu_pb.ts";
import { ProviderService } from "../../gen/device/v1alpha1/provider_pb.ts";
import { ApiError } from "../errors.ts";
import type { FakeProviders } from "./fake-providers.ts";
import type { Handler } from "./handler.ts";
import { checkCondition, checkId, checkNewName, checkPresent, checkStatus } from "./provider-checks.ts";
import type { ReactionChain } from "./reactors.ts";

/** ProviderService as the wire contract has it, for one caller who may do everything: reactors first. */
export function createProviderHandlers(providers: FakeProviders, chain: ReactionChain): readonly Handler[] {
  const { registerGpu, unregisterGpu, updateGpuStatus, updateGpuCondition, heartbeat } = ProviderService.method;
  return [
    unary(chain, registerGpu, ({ name, spec, providerId, initialStatus }) => {
      checkNewName(name);
      checkId(spec?.uuid ?? "", "spec.uuid");
      const status = initialStatus && checkStatus(initialStatus, "initial_status");
      checkId(providerId, "provider_id");
      const input = { name, uuid: spec?.uuid ?? "", provider: providerId, initialStatus: status };
      const { created, gpu } = providers.register(input);
      return { created, resourceVersion: versionOf(gpu) };
    }),
    unary(chain, unregisterGpu, ({ name }) => {
      checkPresent(name, "name");
      return providers.unregister(name);
    }),
    unary(chain, updateGpuStatus, ({ name, status, providerId }) => {
      checkPresent(name, "name");
      const checked = checkStatus(status, "status");
      checkId(providerId, "provider_id");
      return { resourceVersion: versionOf(providers.updateStatus(name, providerId, checked)) };
    }),
    unary(chain, updateGpuCondition, ({ name, condition, providerId }) => {
      checkPresent(name, "name");
      const checked = checkCondition(condition, "condition");
      checkId(providerId, "provider_id");
      return { resourceVersion: versionOf(providers.updateCondition(name, providerId, checked)) };
    }),
    unary(chain, heartbeat, ({ providerId }) => {
      checkPresent(providerId, "provider_id");
      checkId(providerId, "provider_id");
      return providers.heartbeat(providerId);
    }),
  ];
}

const versionOf = (gpu: Gpu): bigint => gpu.resourceVersion;

function unary<I extends DescMessage, O extends DescMessage>(
  chain: ReactionChain,
  method: DescMethodUnary<I, O>,
  answer: (request: MessageShape<I>) => MessageInitShape<O>,
): Handler {
  return {
    kind: "unary",
    method,
    async handle(request, { metadata }) {
      const verb = method.localName;
      const reaction = await chain.react({
        verb,
        resource: ProviderService.name,
        name: nameIn(request),
        request,
        metadata,
      });
      assert(isMessage(request, method.input), `a request of ${verb}`);
      if (reaction === undefined) return create(method.output, answer(request));
      if (isMessage(reaction.result, method.output)) return reaction.result;
      throw new ApiError("INTERNAL", `a reactor for ${verb} has to answer with a ${method.output.typeName}`);
    },
  };
}

function nameIn(request: Message): string {
  return "name" in request && typeof request.name === "string" ? request.name : "";
}
