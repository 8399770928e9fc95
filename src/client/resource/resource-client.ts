import type { Message } from "@bufbuild/protobuf";
import type { Connection } from "../connection/connection.ts";
import type { ResourceClient, ResourceDefinition } from "./types.ts";

/** The calls of one kind of object over one connection. Holds nothing of its own. */
export function createResourceClient<T extends Message>(
  connection: Connection,
  definition: ResourceDefinition<T>,
): ResourceClient<T> {
  return {
    get: (name, options = {}) => definition.get(connection, name, options),
    list: (options = {}) => definition.list(connection, options),
    watch: (options = {}) => definition.watch(connection, options),
  };
}
