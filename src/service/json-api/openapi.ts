import { httpStatusOf } from "./http-status.ts";
import type { ApiOperation, ApiParameter, JsonSchema } from "./operation.ts";
import { SCHEMAS } from "./schemas.ts";

/** The OpenAPI 3.1 document of the operations: made from the table that requests are routed by. */
export function openApiDocument(operations: readonly ApiOperation[], version: string): JsonSchema {
  return {
    openapi: "3.1.1",
    info: {
      title: "Device API server",
      summary: "The state of every GPU of a node, for reading.",
      version,
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    servers: [{ url: "/", description: "The address of --ui-address." }],
    paths: Object.fromEntries(operations.map((operation) => [operation.path, { get: describe(operation) }])),
    components: { schemas: SCHEMAS },
  };
}

function describe(operation: ApiOperation): JsonSchema {
  const { id, summary, description, parameters } = operation;
  return {
    operationId: id,
    summary,
    description,
    ...(parameters.length > 0 && { parameters: parameters.map(describeParameter) }),
    responses: responsesOf(operation),
  };
}

function describeParameter({ name, in: place, description, schema }: ApiParameter): JsonSchema {
  return { name, in: place, required: place === "path", description, schema };
}

function responsesOf({ kind, schema, errors }: ApiOperation): JsonSchema {
  const type = kind === "stream" ? "text/event-stream" : "application/json";
  const byStatus = new Map<string, string[]>();
  for (const code of errors) {
    const status = String(httpStatusOf(code));
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  const failures = [...byStatus].map(([status, codes]) => [status, answer(codes.join(" or "), "Error")]);
  return {
    "200": answer("The answer.", schema, type),
    ...Object.fromEntries(failures),
    default: answer("The request is refused, or the server has a fault.", "Error"),
  };
}

function answer(description: string, schema: string, type = "application/json"): JsonSchema {
  return { description, content: { [type]: { schema: { $ref: `#/components/schemas/${schema}` } } } };
}
