import { create } from "@bufbuild/protobuf";
import { connect, createClientset, type Gpu } from "device-api-client";
import { type ApiError, connect as connectOfClient, isNotFound } from "device-api-client/client";
import { createFakeClientset, startFakeServer } from "device-api-client/fake";
import { GpuSchema, GpuService } from "device-api-client/gen";
import { createInformerFactory, lastStateOf } from "device-api-client/informers";

/**
 * What a user's program takes from each entry point. It is installed, type-checked and run in a project of its own, on
 * every runtime, and has to end by itself. Its server is the one that NVIDIA_DEVICE_API_TARGET names.
 */

const nameOf = (gpu: Gpu): string => gpu.metadata?.name ?? "";

const { createClientset: sameFunction } = await import("device-api-client/client");
console.log(`one module behind both entry points: ${sameFunction === createClientset}`);

await using connection = connect();
const clientset = createClientset(connection);
const { items } = await clientset.deviceV1alpha1().gpus().list();
console.log(`list: ${items.map(nameOf).join(" ")}`);

await using factory = createInformerFactory(clientset);
const informer = factory.deviceV1alpha1().gpus().informer();
const told: string[] = [];
informer.addEventHandler({
  onAdd: (gpu) => told.push(nameOf(gpu)),
  // @ts-expect-error what is told of a deletion may be a tombstone
  onDelete: (gpu) => told.push(nameOf(gpu)),
});
informer.addEventHandler({ onDelete: (deleted) => told.push(nameOf(lastStateOf(deleted))) });
factory.start();
await factory.waitForSync(AbortSignal.timeout(60_000));
console.log(`informer: ${informer.lister.list().map(nameOf).join(" ")}`);

const { fake } = createFakeClientset(create(GpuSchema, { metadata: { name: "gpu-9" } }));
await using server = await startFakeServer(fake);
await using toFake = connectOfClient({ target: server.target });
const faked = createClientset(toFake).deviceV1alpha1().gpus();
console.log(`fake server: ${(await faked.list()).items.map(nameOf).join(" ")}`);
const failure: ApiError | undefined = await faked.get("gpu-0").then(
  () => undefined,
  (error: unknown) => (isNotFound(error) ? error : undefined),
);
console.log(`error: ${failure?.code} of ${failure?.method}`);
console.log(`gen: ${GpuService.method.getGpu.output.typeName}`);
