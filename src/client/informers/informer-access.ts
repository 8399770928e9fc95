import type { Message } from "@bufbuild/protobuf";
import type { ListerWatcher, ResourceDefinition } from "../resource/types.ts";
import type { Lister } from "./indexer.ts";
import type { InformerFactory } from "./informer-factory.ts";
import type { SharedInformer } from "./shared-informer.ts";

/** One kind in an informer factory. Whichever is asked for, the factory has the kind's informer from then on. */
export interface InformerAccess<T> {
  informer(): SharedInformer<T>;
  lister(): Lister<T>;
}

export function accessInformer<T extends Message>(
  factory: InformerFactory,
  definition: ResourceDefinition<T>,
  source: ListerWatcher<T>,
): InformerAccess<T> {
  const informer = () => factory.informerFor(definition, source);
  return { informer, lister: () => informer().lister };
}
