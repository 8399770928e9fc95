import Ajv2020 from "ajv/dist/2020.js";
import addFormats from "ajv-formats";

type Json = Readonly<Record<string, unknown>>;

/** Checks answers against the schemas of an OpenAPI document; a property that the document does not have is a fault. */
export class ApiSchemas {
  readonly #ajv = new Ajv2020({ allErrors: true, strict: true, keywords: ["x-event-data", "components"] });
  readonly #document: Json;

  constructor(document: Json) {
    this.#document = document;
    addFormats(this.#ajv);
    const { components } = document;
    this.#ajv.addSchema({ $id: "api", components: closed(components) as Json });
  }

  /** What is wrong with the value, as the schema of this name; nothing where all is well. */
  faults(name: string, value: unknown): readonly string[] {
    const validate = this.#ajv.getSchema(`api#/components/schemas/${name}`);
    if (validate === undefined) throw new Error(`the document has no schema ${name}`);
    if (validate(value) === true) return [];
    return (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);
  }

  /** The name of the schema of an operation's answer with this status. */
  answerOf(path: string, status: number): string {
    const paths = this.#document["paths"] as Record<string, { get: { responses: Record<string, Json> } }>;
    const responses = paths[path]?.get.responses ?? {};
    const answer = responses[String(status)] ?? responses["default"];
    const [media] = Object.values((answer?.["content"] ?? {}) as Record<string, { schema: { $ref: string } }>);
    return media?.schema.$ref.split("/").at(-1) ?? "";
  }

  /** The names of the schemas of the stream's events, by their type. */
  streamData(): Readonly<Record<string, string>> {
    const { components } = this.#document as { components: { schemas: Record<string, Json> } };
    const data = components.schemas["StreamEvent"]?.["x-event-data"] as Record<string, { $ref: string }>;
    return Object.fromEntries(Object.entries(data).map(([type, { $ref }]) => [type, $ref.split("/").at(-1) ?? ""]));
  }
}

/** The same schemas, in which objects have no properties but those that are named. */
function closed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(closed);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).map(([key, each]) => [key, closed(each)]);
  return { ...Object.fromEntries(entries), ...("properties" in value && { additionalProperties: false }) };
}
